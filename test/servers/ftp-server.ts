/**
 * Real FTP servers, each private to one test file: unpacked by tools/fetch-servers.sh, on a port and a folder of its own.
 * pure-ftpd needs root, and so does the mount of a small file system; the others run as root here for the same reason.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from './certificate.ts';
import { freePort, ServerProcess } from './processes.ts';
import { proftpd } from './proftpd.ts';
import { pureFtpd } from './pure-ftpd.ts';
import {
  SERVER_GID,
  SERVER_UID,
  type ServerCommand,
  type ServerSettings,
  type ServerTls,
} from './settings.ts';
import { vsftpd } from './vsftpd.ts';

export type FtpServerKind = 'vsftpd' | 'pure-ftpd' | 'proftpd';

const COMMANDS: Readonly<Record<FtpServerKind, (settings: ServerSettings) => ServerCommand>> = {
  vsftpd,
  'pure-ftpd': pureFtpd,
  proftpd,
};

export interface FtpServerOptions {
  /** `optional` unless given. */
  readonly tls?: ServerTls;
  readonly bytesPerSecond?: number;
  /** More lines of vsftpd's or proftpd's own configuration; they win over those that are there. */
  readonly configuration?: readonly string[];
}

/** A group's folder that fills up soon. */
export interface SmallFolder {
  readonly folder: string;
  /** As clients see it. */
  readonly path: string;
  /** Bytes. */
  readonly resize: (size: number) => void;
}

/** A running server. `stop` ends it and removes all that it left. */
export class FtpServer {
  readonly kind: FtpServerKind;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly certificate: TestCertificate;
  /** The folder of one group: where it lies on this machine, and its path as clients see it. */
  readonly groupFolder: string;
  readonly groupPath: string;
  readonly #folder: string;
  readonly #command: ServerCommand;
  readonly #mounts: string[] = [];
  #process: ServerProcess | undefined;

  private constructor(kind: FtpServerKind, settings: ServerSettings) {
    this.kind = kind;
    this.port = settings.port;
    this.user = settings.user;
    this.password = settings.password;
    this.certificate = settings.certificate;
    this.#folder = settings.folder;
    this.#command = COMMANDS[kind](settings);
    this.groupFolder = join(settings.root, 'group');
    this.groupPath = `${this.#command.visibleRoot}/group`;
    makeServedFolder(this.groupFolder);
  }

  static async start(kind: FtpServerKind, options: FtpServerOptions = {}): Promise<FtpServer> {
    const folder = mkdtempSync(join(tmpdir(), `blockferry-${kind}-`));
    try {
      const server = new FtpServer(kind, await settingsFor(kind, folder, options));
      await server.run();
      return server;
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** After {@link kill}: the same server again. */
  async run(): Promise<void> {
    this.#process = new ServerProcess(this.#command.argv, this.#command.environment);
    await this.#process.listening(this.port);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Ends the connections that are open, not the server. */
  killSessions(): void {
    this.#process?.signalChildren('SIGKILL');
  }

  /** SIGSTOP: connections stay, nothing answers. */
  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }

  /** Another group's folder, on a file system of its own of `size` bytes. */
  mountSmall(name: string, size: number): SmallFolder {
    const folder = join(this.groupFolder, '..', name);
    makeServedFolder(folder);
    const options = `size=${size},mode=755,uid=${SERVER_UID},gid=${SERVER_GID}`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'blockferry-test', folder]);
    this.#mounts.push(folder);
    return {
      folder,
      path: `${this.#command.visibleRoot}/${name}`,
      resize: (bytes) => void execFileSync('mount', ['-o', `remount,size=${bytes}`, folder]),
    };
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    for (const folder of this.#mounts) execFileSync('umount', [folder]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function settingsFor(
  kind: FtpServerKind,
  folder: string,
  options: FtpServerOptions,
): Promise<ServerSettings> {
  chmodSync(folder, 0o755);
  const root = join(folder, 'root');
  makeServedFolder(root);
  const first = 20_000 + Math.floor(Math.random() * 100) * 100;
  return {
    folder,
    root,
    port: await freePort(),
    passivePorts: { first, last: first + 99 },
    user: kind === 'vsftpd' ? 'ftp' : 'repl',
    password: 'correct-horse-battery',
    certificate: makeCertificate(folder),
    tls: options.tls ?? 'optional',
    bytesPerSecond: options.bytesPerSecond,
    configuration: options.configuration ?? [],
  };
}

function makeServedFolder(folder: string): void {
  mkdirSync(folder);
  chownSync(folder, SERVER_UID, SERVER_GID);
}
