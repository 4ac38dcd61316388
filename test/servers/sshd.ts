/**
 * Debian's OpenSSH server, private to one test file: on a port of its own, without root, for users that only it knows.
 * nss_wrapper shows it the accounts, as it would log in nobody else than the user that it runs as.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fetched, libraryPath, LIBRARIES } from './cache.ts';
import { passwordHash } from './password-hash.ts';
import { freePort } from './processes.ts';
import { ControlledServer } from './server.ts';
import { SERVER_GID, SERVER_OWNER, SERVER_UID, type ServerCommand } from './settings.ts';
import { makeOwnedFolder } from './small-folder.ts';

export interface SshServerOptions {
  /** More lines of its configuration; they win over those that are there. */
  readonly configuration?: readonly string[];
}

interface SshSettings {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly configuration: readonly string[];
}

const USER = 'repl';

/** A running server. `stop` ends it and removes all that it left. */
export class SshServer extends ControlledServer {
  readonly port: number;
  readonly user = USER;
  readonly password: string;
  /** What the server takes as well as the password. */
  readonly privateKey: string;
  readonly privateKeyFile: string;
  /** As `ssh-keygen -lf` shows it. */
  readonly hostKey: string;
  /** The folder of one group: the same path here and for clients. */
  readonly groupFolder: string;
  readonly #folder: string;

  private constructor(settings: SshSettings) {
    super({ command: commandOf(settings), port: settings.port });
    const { folder } = settings;
    this.port = settings.port;
    this.password = settings.password;
    this.#folder = folder;
    this.privateKeyFile = join(folder, 'user-key');
    this.privateKey = readFileSync(this.privateKeyFile, 'latin1');
    this.hostKey = fingerprintOf(join(folder, 'host-key.pub'));
    this.groupFolder = join(folder, 'root', 'group');
    makeOwnedFolder(this.groupFolder, SERVER_OWNER);
  }

  static async start(options: SshServerOptions = {}): Promise<SshServer> {
    const folder = mkdtempSync(join(tmpdir(), 'blockferry-sshd-'));
    try {
      chmodSync(folder, 0o755);
      makeOwnedFolder(join(folder, 'root'), SERVER_OWNER);
      const { configuration = [] } = options;
      const server = new SshServer({
        folder,
        port: await freePort(),
        password: 'correct-horse',
        configuration,
      });
      await server.run();
      return server;
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** The path of another group's folder beside this one. */
  visiblePath(name: string): string {
    return join(this.groupFolder, '..', name);
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function commandOf({ folder, port, password, configuration }: SshSettings): ServerCommand {
  for (const name of ['host-key', 'user-key']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(folder, name)]);
  }
  const served = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, SERVER_UID, SERVER_GID);
    return path;
  };
  chownSync(join(folder, 'host-key'), SERVER_UID, SERVER_GID);
  const program = copyOfProgram(folder);
  const root = join(folder, 'root');
  const lines = [
    // The first of two lines with the same word is the one that counts.
    ...configuration,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host-key')}`,
    'PidFile none',
    `AuthorizedKeysFile ${served('authorized', readFileSync(join(folder, 'user-key.pub'), 'latin1'))}`,
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'ForceCommand internal-sftp',
    'Subsystem sftp internal-sftp',
    'MaxStartups 100',
  ];
  return {
    argv: [
      '/usr/bin/setpriv',
      ...[`--reuid=${SERVER_UID}`, `--regid=${SERVER_GID}`, '--clear-groups'],
      ...[program.sshd, '-D', '-e'],
      ...['-f', served('sshd_config', `${lines.join('\n')}\n`)],
    ],
    environment: {
      LD_LIBRARY_PATH: program.libraries,
      LD_PRELOAD: join(program.libraries, 'libnss_wrapper.so'),
      NSS_WRAPPER_PASSWD: served('passwd', `${USER}:x:${SERVER_UID}:${SERVER_GID}::${root}:/bin/sh\n`),
      NSS_WRAPPER_GROUP: served('group', `nogroup:x:${SERVER_GID}:\n`),
      NSS_WRAPPER_SHADOW: served('shadow', `${USER}:${passwordHash(password)}:19000:0:99999:7:::\n`),
    },
    visibleRoot: root,
  };
}

/** The cache may lie in a home folder that the server's user cannot look into. */
function copyOfProgram(folder: string): { sshd: string; libraries: string } {
  const [sshd, libraries] = [join(folder, 'sshd'), join(folder, 'libraries')];
  copyFileSync(fetched('openssh-server', 'usr/sbin/sshd'), sshd);
  mkdirSync(libraries);
  const wrapper = dirname(fetched('libnss-wrapper', `usr/${LIBRARIES}/libnss_wrapper.so`));
  for (const from of [...libraryPath().split(':').filter(existsSync), wrapper]) {
    for (const name of readdirSync(from)) {
      if (name.includes('.so')) copyFileSync(join(from, name), join(libraries, name));
    }
  }
  return { sshd, libraries };
}

function fingerprintOf(publicKey: string): string {
  const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-lf', publicKey], { encoding: 'latin1' }).split(
    ' ',
  );
  return fingerprint;
}
