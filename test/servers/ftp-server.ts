/**
 * Real FTP servers, each private to one test file: unpacked by tools/fetch-servers.sh, on a port and a folder of its own.
 * pure-ftpd needs root, and so does the mount of a small file system; the others run as root here for the same reason.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from './certificate.ts';
import { freePort } from './processes.ts';
import { proftpd } from './proftpd.ts';
import { pureFtpd } from './pure-ftpd.ts';
import { ControlledServer } from './server.ts';
import { SERVER_OWNER, type ServerCommand, type ServerSettings, type ServerTls } from './settings.ts';
import { makeOwnedFolder } from './small-folder.ts';
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
  /** pure-ftpd's own limit. */
  readonly listedFiles?: number;
}

/** A running server. `stop` ends it and removes all that it left. */
export class FtpServer extends ControlledServer {
  readonly kind: FtpServerKind;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly certificate: TestCertificate;
  /** The folder of one group: where it lies on this machine, and its path as clients see it. */
  readonly groupFolder: string;
  readonly groupPath: string;
  readonly #folder: string;
  readonly #visibleRoot: string;

  private constructor(kind: FtpServerKind, settings: ServerSettings) {
    const command = COMMANDS[kind](settings);
    super({ command, port: settings.port });
    this.kind = kind;
    this.port = settings.port;
    this.user = settings.user;
    this.password = settings.password;
    this.certificate = settings.certificate;
    this.#folder = settings.folder;
    this.#visibleRoot = command.visibleRoot;
    this.groupFolder = join(settings.root, 'group');
    this.groupPath = this.visiblePath('group');
    makeOwnedFolder(this.groupFolder, SERVER_OWNER);
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

  /** The path, as clients see it, of another group's folder beside this one. */
  visiblePath(name: string): string {
    return `${this.#visibleRoot}/${name}`;
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
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
  makeOwnedFolder(root, SERVER_OWNER);
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
    listedFiles: options.listedFiles ?? 50_000,
  };
}
