import { dirname, join } from 'node:path';
import { symlinkSync, readdirSync, mkdirSync, writeFileSync } from 'node:fs';
import { fetched, libraryPath } from './cache.ts';
import { SERVER_GID, SERVER_UID, type ServerCommand, type ServerSettings } from './settings.ts';
import { passwordHash } from './password-hash.ts';

export function proftpd(settings: ServerSettings): ServerCommand {
  const { folder, root, certificate } = settings;
  const modules = join(folder, 'modules');
  linkModules(modules);
  const account = `${settings.user}:${passwordHash(settings.password)}:${SERVER_UID}:${SERVER_GID}::${root}:/bin/sh`;
  writeFileSync(join(folder, 'accounts'), `${account}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'groups'), `nogroup:x:${SERVER_GID}:\n`, { mode: 0o600 });
  const lines = [
    `ModulePath ${modules}`,
    'LoadModule mod_tls.c',
    'LoadModule mod_digest.c',
    'ServerType standalone',
    'DefaultAddress 127.0.0.1',
    `Port ${settings.port}`,
    'UseIPv6 off',
    'UseReverseDNS off',
    'User nobody',
    'Group nogroup',
    `PidFile ${folder}/pid`,
    `ScoreboardFile ${folder}/score`,
    `ScoreboardMutex ${folder}/mutex`,
    'DelayTable none',
    'WtmpLog off',
    `SystemLog ${folder}/log`,
    'AuthOrder mod_auth_file.c',
    `AuthUserFile ${folder}/accounts`,
    `AuthGroupFile ${folder}/groups`,
    'RequireValidShell off',
    'AllowStoreRestart on',
    'AllowOverwrite on',
    `PassivePorts ${settings.passivePorts.first} ${settings.passivePorts.last}`,
    'DigestEngine on',
    `TLSEngine ${settings.tls === 'none' ? 'off' : 'on'}`,
    `TLSRSACertificateFile ${certificate.certificateFile}`,
    `TLSRSACertificateKeyFile ${certificate.keyFile}`,
    `TLSLog ${folder}/tls.log`,
    ...(settings.tls === 'implicit' ? ['TLSOptions UseImplicitSSL'] : []),
    ...(settings.bytesPerSecond === undefined
      ? []
      : [`TransferRate APPE,STOR ${settings.bytesPerSecond / 1024}`]),
  ];
  const file = join(folder, 'proftpd.conf');
  const given = new Set(settings.configuration.map(directive));
  const all = [...lines.filter((line) => !given.has(directive(line))), ...settings.configuration];
  writeFileSync(file, `${all.join('\n')}\n`, { mode: 0o600 });
  return {
    argv: [fetched('proftpd-core', 'usr/sbin/proftpd'), '-n', '-c', file],
    environment: { LD_LIBRARY_PATH: libraryPath() },
    visibleRoot: root,
  };
}

function directive(line: string): string {
  return line.slice(0, line.indexOf(' '));
}

/** One folder with the modules of both packages, as an installed system has them. */
function linkModules(folder: string): void {
  mkdirSync(folder);
  for (const module of [
    fetched('proftpd-core', 'usr/lib/proftpd/mod_digest.so'),
    fetched('proftpd-mod-crypto', 'usr/lib/proftpd/mod_tls.so'),
  ]) {
    for (const name of readdirSync(dirname(module)))
      symlinkSync(join(dirname(module), name), join(folder, name));
  }
}
