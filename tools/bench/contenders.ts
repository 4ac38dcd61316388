/** Each transport beside the program that people would use in its place, both against the same server. */
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '../../src/transfer/transport.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import type { FtpTransportOptions } from '../../src/transfer/transports/ftp-options.ts';
import { FtpTransport } from '../../src/transfer/transports/ftp.ts';
import { SftpTransport } from '../../src/transfer/transports/sftp.ts';
import { SmbTransport } from '../../src/transfer/transports/smb.ts';
import { FtpServer, type FtpServerKind } from '../../test/servers/ftp-server.ts';
import { SambaServer } from '../../test/servers/samba.ts';
import { SshServer } from '../../test/servers/sshd.ts';

/** Files at once of ours; the pool has one connection more, as in the daemon. */
export interface Setting {
  readonly connections: number;
}

export interface Contender {
  readonly transport: Transport;
  /** The group's folder, as it lies on this machine. */
  readonly folder: string;
  /** Sends all files of a folder into the group's `peer` folder, in one run. */
  readonly peer: (source: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface Entry {
  readonly name: string;
  /** What ours should reach of the peer's speed. */
  readonly aim: number;
  readonly start: (setting: Setting) => Promise<Contender>;
}

export const ENTRIES: readonly Entry[] = [
  { name: 'folder / cp', aim: 0.8, start: folder },
  ...(['vsftpd', 'pure-ftpd', 'proftpd'] as const).flatMap((kind): Entry[] => [
    { name: `${kind} / lftp`, aim: 1, start: (setting) => ftp(kind, 'none', setting) },
    { name: `${kind} TLS / lftp`, aim: 1, start: (setting) => ftp(kind, 'explicit', setting) },
  ]),
  { name: 'sshd / sftp', aim: 0.95, start: sftp },
  { name: 'Samba stock / smbclient', aim: 1.2, start: () => smb([]) },
  { name: 'Samba encrypted / smbclient', aim: 1.2, start: () => smb(['server smb encrypt = required']) },
];

function folder(): Promise<Contender> {
  const group = mkdtempSync(join(tmpdir(), 'blockferry-bench-folder-'));
  return Promise.resolve({
    transport: new FolderTransport({ path: group }),
    folder: group,
    // Ours syncs every file, so what `cp` leaves behind is synced too.
    peer: (source) => run('sh', ['-c', `cp "${source}"/* "${group}/peer/" && sync -f "${group}/peer"`]),
    stop: () => {
      rmSync(group, { recursive: true });
      return Promise.resolve();
    },
  });
}

async function ftp(
  kind: FtpServerKind,
  tls: FtpTransportOptions['tls'],
  { connections }: Setting,
): Promise<Contender> {
  const server = await FtpServer.start(kind, { tls: tls === 'none' ? 'none' : 'optional' });
  const { port, user, password, certificate, groupPath } = server;
  const settings = [
    `set ftp:ssl-force ${tls !== 'none'}; set ftp:ssl-allow ${tls !== 'none'}; set ftp:ssl-protect-data true`,
    `set ssl:ca-file ${certificate.certificateFile}; set net:max-retries 1; set cmd:fail-exit true`,
    `open -u ${user},${password} ftp://localhost:${port}`,
  ];
  return {
    transport: new FtpTransport({
      host: 'localhost',
      port,
      user,
      password,
      path: groupPath,
      tls,
      certificateAuthority: tls === 'none' ? undefined : certificate.pem,
      fingerprint: undefined,
      timeout: 30_000,
      connections,
    }),
    folder: server.groupFolder,
    peer: (source) =>
      run('lftp', ['--norc'], [...settings, `mput -O ${groupPath}/peer ${source}/*`, 'exit'].join('\n')),
    stop: () => server.stop(),
  };
}

async function sftp({ connections }: Setting): Promise<Contender> {
  const server = await SshServer.start();
  const identity = join(mkdtempSync(join(tmpdir(), 'blockferry-bench-key-')), 'key');
  copyFileSync(server.privateKeyFile, identity);
  chmodSync(identity, 0o600);
  const options = ['IdentityFile=' + identity, 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
  // What ours uses: the two would else encrypt differently.
  options.push('Ciphers=aes128-gcm@openssh.com', 'LogLevel=ERROR');
  const flags = options.flatMap((option) => ['-o', option]);
  return {
    transport: new SftpTransport({
      host: '127.0.0.1',
      port: server.port,
      user: server.user,
      password: undefined,
      privateKey: server.privateKey,
      hostKey: server.hostKey,
      path: server.groupFolder,
      timeout: 30_000,
      connections,
    }),
    folder: server.groupFolder,
    peer: (source) =>
      run(
        'sftp',
        ['-q', '-b', '-', '-P', String(server.port), ...flags, `${server.user}@127.0.0.1`],
        `put ${source}/* ${server.groupFolder}/peer/\n`,
      ),
    stop: async () => {
      await server.stop();
      rmSync(join(identity, '..'), { recursive: true });
    },
  };
}

async function smb(settings: readonly string[]): Promise<Contender> {
  const server = await SambaServer.start(settings);
  const client = server.clientCommand;
  return {
    transport: new SmbTransport({
      host: '127.0.0.1',
      port: server.port,
      share: server.share,
      path: server.groupPath,
      user: server.users.writer,
      domain: '',
      password: server.password,
      encryption: 'when-demanded',
      timeout: 30_000,
    }),
    folder: server.groupFolder,
    peer: (source) =>
      run(
        client.program,
        [...client.arguments, `//127.0.0.1/${server.share}`],
        `prompt off\nlcd ${source}\ncd ${server.groupPath}/peer\nmput *\nexit\n`,
        client.environment,
      ),
    stop: () => server.stop(),
  };
}

function run(
  program: string,
  parameters: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...parameters], { env }, (error, _output, errors) => {
      if (error === null) resolve();
      else reject(new Error(`${program}: ${error.message} ${errors}`));
    });
    child.stdin?.end(input);
  });
}

/** The group's folders, writable by whomever the server runs as. */
export function makeFolders({ folder: group }: Contender): void {
  for (const name of ['inbox', 'peer']) {
    mkdirSync(join(group, name), { recursive: true });
    chmodSync(join(group, name), 0o777);
  }
}
