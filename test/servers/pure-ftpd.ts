import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetched, libraryPath } from './cache.ts';
import { passwordHash } from './password-hash.ts';
import { SERVER_GID, SERVER_UID, type ServerCommand, type ServerSettings } from './settings.ts';

/** A virtual user in a chroot. It knows no implicit TLS. Must be started by root. */
export function pureFtpd(settings: ServerSettings): ServerCommand {
  if (settings.tls === 'implicit') throw new Error('pure-ftpd knows no implicit TLS');
  const { folder, root } = settings;
  const environment = { LD_LIBRARY_PATH: libraryPath() };
  const accounts = join(folder, 'accounts.pdb');
  // Its own default, argon2, would make a login take seconds.
  const account = `${settings.user}:${passwordHash(settings.password)}:${SERVER_UID}:${SERVER_GID}::${root}/./::::::::::::`;
  writeFileSync(join(folder, 'accounts'), `${account}\n`, { mode: 0o600 });
  execFileSync(fetched('pure-ftpd', 'usr/bin/pure-pw'), ['mkdb', accounts, '-f', join(folder, 'accounts')], {
    env: { ...process.env, ...environment },
  });
  const kilobytes = Math.floor((settings.bytesPerSecond ?? 0) / 1024);
  return {
    argv: [
      fetched('pure-ftpd', 'usr/sbin/pure-ftpd'),
      ...['-S', `127.0.0.1,${settings.port}`],
      ...['-l', `puredb:${accounts}`, '-E', '-H', '-4', '-u', '1'],
      ...['-p', `${settings.passivePorts.first}:${settings.passivePorts.last}`],
      ...['-g', join(folder, 'pid'), '-C', '50', '-c', '50'],
      ...['-L', `${settings.listedFiles}:8`],
      ...['-Y', settings.tls === 'none' ? '0' : '1', '-2', settings.certificate.bothFile],
      ...(kilobytes === 0 ? [] : ['-T', `${kilobytes}:`]),
    ],
    environment,
    visibleRoot: '',
  };
}
