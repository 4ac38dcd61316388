import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../servers/certificate.ts';

export const KEY = Buffer.alloc(32, 0xa5);
export const PASSWORD = 'correct horse';

export interface Fixture {
  readonly folder: string;
  write(name: string, content: string | Uint8Array, mode?: number): string;
  remove(): void;
}

/** A folder for configurations, with the secrets, right and wrong, that they name. */
export function makeFixture(): Fixture {
  const folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'blockferry-config-')));
  const write: Fixture['write'] = (name, content, mode = 0o600) => {
    const path = join(folder, name);
    fs.writeFileSync(path, content);
    fs.chmodSync(path, mode);
    return path;
  };
  write('good.key', `${KEY.toString('hex')}\n`);
  write('base64.key', `${KEY.toString('base64')}\r\n`);
  write('open.key', KEY.toString('hex'), 0o644);
  write('group.key', KEY.toString('hex'), 0o640);
  write('short.key', KEY.subarray(1).toString('hex'));
  write('password', `${PASSWORD}\n`);
  write('open-password', PASSWORD, 0o604);
  write('two-lines', 'one\ntwo\n');
  write('empty', '\n');
  write('big', 'x'.repeat(5000));
  makeCertificate(folder);
  fs.chmodSync(join(folder, 'key.pem'), 0o600);
  execFileSync('openssl', ['genpkey', '-algorithm', 'ED25519', '-out', join(folder, 'other-key.pem')], {
    stdio: 'pipe',
  });
  fs.chmodSync(join(folder, 'other-key.pem'), 0o600);
  for (const [name, passphrase] of [
    ['ssh-key', ''],
    ['ssh-key-locked', 'passphrase'],
  ] as const) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', join(folder, name)]);
  }
  write('public-key', fs.readFileSync(join(folder, 'ssh-key.pub')));
  execFileSync('mkfifo', ['-m', '600', join(folder, 'pipe')]);
  fs.mkdirSync(join(folder, 'images'));
  write('images/target.raw', Buffer.alloc(512));
  fs.symlinkSync('target.raw', join(folder, 'images', 'link.raw'));
  return { folder, write, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

/** The parts of a file that has no mistakes; YAML text. */
export const GOOD_SOURCE = `role: source
buffer: buffer
quota: 1 GiB
when-full: refuse-writes
volumes: { data: { path: images/new.raw, size: 1 MiB } }
nbd: { socket: nbd.sock }
destinations: { bern: { folder: share } }
`;

/** A whole file with one group of it. */
export function withGroup(group: string, rest = ''): string {
  return `state: state\n${rest}groups:\n  oracle:\n${group.replaceAll(/^/gm, '    ')}\n`;
}
