import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { checkConfiguration } from '../../src/cli/check.ts';
import { loadConfig } from '../../src/config/load.ts';
import { formatPath } from '../../src/config/problems.ts';
import { lookAround } from '../../src/config/surroundings.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { GOOD_SOURCE, makeFixture, withGroup, type Fixture } from './fixture.ts';

const DESTINATION = `role: destination
buffer: buffer
quota: 1 GiB
volumes: { data: images/copy.raw }
`;
const NOBODY = 65_534;

describe('blockferry check', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = makeFixture();
    fs.mkdirSync(join(fixture.folder, 'share'));
    fixture.write('program', '#!/bin/sh\n', 0o755);
  });
  afterEach(() => {
    fixture.remove();
  });

  function check(text: string): { text: string; exitCode: number } {
    const result = checkConfiguration(fixture.write('blockferry.yaml', text));
    return { ...result, text: result.text.replaceAll(`${fixture.folder}/`, '') };
  }

  /** One refusal, without its line and fix. */
  function refused(text: string): string {
    const result = check(text);
    assert.equal(result.exitCode, 5, result.text);
    assert.match(result.text, /^blockferry\.yaml:\d+:\d+: [^\n]*; [^\n]*\n$/);
    return result.text.replace(/^\S+ /, '').replace(/; .*\n$/, '');
  }

  function listing(): string {
    return execFileSync('find', [fixture.folder, '-printf', '%p %m %s %T@\n'], { encoding: 'utf8' });
  }

  it('tells in short what the daemon would do, exits 0, and makes nothing', () => {
    const destination = `${DESTINATION}key-file: good.key
login: { user: erp, password-file: password }
markers: { nightly: { run: [${fixture.folder}/program, --full], time-limit: 10 min } }
rehearsal: { run: [${fixture.folder}/program], at: 0 5 * * sun }
`;
    const text =
      withGroup(GOOD_SOURCE, 'receiver: { listen: 127.0.0.1:2121 }\n') +
      `  erp:\n${destination.replaceAll(/^/gm, '    ')}\n`;
    fixture.write('blockferry.yaml', text);
    const before = listing();
    const result = checkConfiguration(join(fixture.folder, 'blockferry.yaml'));
    assert.equal(listing(), before);
    assert.equal(result.exitCode, 0, result.text);
    assert.equal(
      result.text.replaceAll(`${fixture.folder}/`, ''),
      `blockferry.yaml: no mistakes

daemon
  state in state
  log (info) on the terminal
  answers its command line on state/api.sock

group oracle: source
  volume data: images/new.raw (1 MiB, image file, not there yet; made at the first start)
  buffer buffer/oracle, at most 1 GiB; when that is full, hosts’ writes are refused
  a segment every 8 MiB or 2 s, compressed at level 1
  neither encrypted nor authenticated: whoever can change files on the way can change the copy (key-file: ends that)
  NBD on nbd.sock, 64 connections at once
  to bern: the folder share, 2 files at once

group erp: destination
  volume data: images/copy.raw (not there yet; made when the source tells its size)
  buffer buffer/erp, at most 1 GiB
  snapshots in buffer/erp/snapshots
  encrypted and authenticated with its key
  filled by the receiver’s user erp
  marker nightly: program --full (at most 10 min; the volumes stand still meanwhile)
  rehearsal: program (at most 1 h; also at 0 5 * * sun, UTC)

receiver
  FTP on 127.0.0.1:2121, without TLS
  data on ports 30000 to 30049
  users erp (group erp); 32 connections at once
`,
    );
  });

  it('never shows a password or a key', () => {
    const source = GOOD_SOURCE.replace(
      'folder: share',
      'ftp: { host: h, user: u, password-file: password, path: /x, tls: none }',
    );
    const result = check(withGroup(`${source}key-file: good.key\n`));
    assert.equal(result.exitCode, 0, result.text);
    assert.match(
      result.text,
      /to bern: ftp:\/\/u@h:21\/x \(without TLS: the password goes over the network readable\)/,
    );
    assert.doesNotMatch(result.text, /correct horse|a5a5/);
    const sftp = check(
      withGroup(
        GOOD_SOURCE.replace(
          'folder: share',
          'sftp: { host: h, user: u, private-key: ssh-key, password-file: password, path: /x }',
        ),
      ),
    );
    assert.equal(sftp.exitCode, 0, sftp.text);
    assert.match(
      sftp.text,
      /to bern: sftp:\/\/u@h:22\/x \(a key or a password; no host-key yet: it is refused/,
    );
    assert.doesNotMatch(sftp.text, /correct horse|PRIVATE KEY/);
    const smb = check(
      withGroup(
        GOOD_SOURCE.replace(
          'folder: share',
          'smb: { host: h, share: s, user: u, domain: BERN, password-file: password, path: /x }',
        ),
      ),
    );
    assert.equal(smb.exitCode, 0, smb.text);
    assert.match(smb.text, /to bern: smb:\/\/BERN;u@h:445\/s\/x \(signed, and encrypted where/);
    assert.doesNotMatch(smb.text, /correct horse/);
  });

  it('says which setting of a server is missing', () => {
    const { text } = check(
      withGroup(
        GOOD_SOURCE.replace('folder: share', 'smb: { host: h, user: u, password-file: password, path: /x }'),
      ),
    );
    assert.match(text, /destinations\.bern\.smb\.share: is missing; write its name alone/);
  });

  it('says what is wrong with the file before it looks at the machine, and exits 5', () => {
    const result = check('state: /proc/x\n');
    assert.equal(result.exitCode, 5);
    assert.match(result.text, /^blockferry\.yaml:1:1: groups: is missing; /);
  });

  it('points at the setting that the machine does not bear out', () => {
    const { text } = check(withGroup(GOOD_SOURCE.replace('folder: share', 'folder: not-mounted')));
    assert.equal(
      text,
      'blockferry.yaml:10:37: groups.oracle.destinations.bern.folder: not-mounted does not exist; mount the share; the destination makes the group’s folder in it when it starts\n',
    );
  });

  it('tells a source’s volume that is missing, a folder, a device file of another kind, cut, or of another size', () => {
    const volume = (written: string): string =>
      refused(withGroup(GOOD_SOURCE.replace(/volumes: .*/, `volumes: { data: ${written} }`)));
    fixture.write('odd.raw', Buffer.alloc(1000));
    fixture.write('empty.raw', '');
    assert.equal(
      volume('/dev/blockferry-none'),
      'groups.oracle.volumes.data.path: /dev/blockferry-none does not exist',
    );
    assert.equal(
      volume('{ path: /dev/blockferry-none, size: 1 MiB }'),
      'groups.oracle.volumes.data.path: /dev/blockferry-none does not exist',
    );
    assert.equal(
      volume('new.raw'),
      'groups.oracle.volumes.data.path: new.raw does not exist, and there is no size to make it with',
    );
    assert.equal(volume('images'), 'groups.oracle.volumes.data.path: images is a folder');
    assert.equal(
      volume('/dev/zero'),
      'groups.oracle.volumes.data.path: /dev/zero is neither a file nor a block device',
    );
    assert.equal(volume('odd.raw'), 'groups.oracle.volumes.data.path: odd.raw has 1000 bytes');
    assert.equal(volume('empty.raw'), 'groups.oracle.volumes.data.path: empty.raw has 0 bytes');
    assert.equal(
      volume('{ path: images/target.raw, size: 1 KiB }'),
      'groups.oracle.volumes.data.size: is 1024 bytes, and images/target.raw has 512',
    );
    assert.equal(
      volume('{ path: password/x.raw, size: 1 KiB }'),
      'groups.oracle.volumes.data.path: password is not a folder',
    );
  });

  it('takes volumes that are there as they are', () => {
    const { text, exitCode } = check(
      withGroup(GOOD_SOURCE.replace(/volumes: .*/, 'volumes: { data: images/link.raw }')),
    );
    assert.equal(exitCode, 0, text);
    assert.match(text, /volume data: images\/link\.raw \(512 B, image file\)/);
  });

  it('tells a block device that is mounted', () => {
    fixture.write('disk.img', '');
    fs.truncateSync(join(fixture.folder, 'disk.img'), 4 << 20);
    const run = (...argv: [string, ...string[]]): string =>
      execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', stdio: 'pipe' }).trim();
    const device = run('losetup', '--find', '--show', join(fixture.folder, 'disk.img'));
    const mountPoint = join(fixture.folder, 'mounted');
    try {
      const source = withGroup(GOOD_SOURCE.replace(/volumes: .*/, `volumes: { data: ${device} }`));
      const free = check(source);
      assert.equal(free.exitCode, 0, free.text);
      assert.match(free.text, /\(4 MiB, block device\)/);
      run('mkfs.ext4', '-q', device);
      fs.mkdirSync(mountPoint);
      run('mount', device, mountPoint);
      try {
        assert.equal(
          refused(source),
          `groups.oracle.volumes.data.path: ${device} is in use: mounted, swap, or part of a RAID or volume group`,
        );
      } finally {
        run('umount', mountPoint);
      }
    } finally {
      run('losetup', '--detach', device);
    }
  });

  it('tells folders that cannot be made', () => {
    assert.equal(
      refused(withGroup(GOOD_SOURCE.replace('buffer: buffer', 'buffer: password/buffer'))),
      'groups.oracle.buffer: password is not a folder',
    );
    assert.equal(
      refused(withGroup(GOOD_SOURCE).replace('state: state', 'state: good.key')),
      'state: good.key is not a folder',
    );
    assert.equal(
      refused(withGroup(`${DESTINATION}snapshots: good.key/snapshots`)),
      'groups.oracle.snapshots: good.key is not a folder',
    );
    assert.equal(
      refused(withGroup(GOOD_SOURCE, 'log: { file: password/x.log }\n')),
      'log.file: password is not a folder',
    );
    assert.equal(
      refused(withGroup(GOOD_SOURCE, 'api: { socket: password/x.sock }\n')),
      'api.socket: password is not a folder',
    );
    assert.equal(
      refused(withGroup(GOOD_SOURCE.replace('nbd.sock', 'password/x.sock'))),
      'groups.oracle.nbd.socket: password is not a folder',
    );
  });

  it('tells a marker’s program, and a rehearsal’s, that is missing, a folder, or not executable', () => {
    const marker = (program: string): string =>
      refused(withGroup(`${DESTINATION}markers: { m: { run: ['${program}'] } }`));
    const inside = (name: string): string => join(fixture.folder, name);
    assert.equal(marker(inside('none')), 'groups.oracle.markers.m.run[0]: none does not exist');
    assert.equal(marker(inside('images')), 'groups.oracle.markers.m.run[0]: images is not a file');
    assert.equal(
      marker(inside('password')),
      'groups.oracle.markers.m.run[0]: password is not executable by this user',
    );
    assert.equal(
      refused(withGroup(`${DESTINATION}rehearsal: { run: ['${inside('none')}'] }`)),
      'groups.oracle.rehearsal.run[0]: none does not exist',
    );
  });

  it('tells a certificate that ran out, or is not valid yet', () => {
    const group = `${DESTINATION}login: { user: u, password-file: password }`;
    const receiver = 'receiver: { listen: 0.0.0.0:2121, tls: { certificate: cert.pem, key: key.pem } }\n';
    const loaded = loadConfig(fixture.write('blockferry.yaml', withGroup(group, receiver)));
    assert.ok('config' in loaded);
    const { config } = loaded;
    const told = (now: number): string[] =>
      lookAround(config, { files: nodeFiles, now }).findings.map(({ path, message }) => {
        return `${formatPath(path)} ${message.replace(/ \d.*/, '')}`;
      });
    const day = 24 * 3600 * 1000;
    assert.deepEqual(told(Date.now()), []);
    assert.deepEqual(told(Date.now() + 3 * day), ['receiver.tls.certificate ran out on']);
    assert.deepEqual(told(Date.now() - 3 * day), ['receiver.tls.certificate is valid only from']);
  });

  it('tells a user what that user may not read, write or run', () => {
    const { folder } = fixture;
    const [secret, file] = [join(folder, 'closed'), join(folder, 'blockferry.yaml')];
    fs.mkdirSync(secret, { mode: 0o700 });
    fs.writeFileSync(join(secret, 'v.raw'), Buffer.alloc(512));
    fs.chmodSync(folder, 0o755);
    const source = GOOD_SOURCE.replace(
      /volumes: .*/,
      'volumes: { data: closed/v.raw, log: images/target.raw }',
    );
    fixture.write('blockferry.yaml', withGroup(`${source}key-file: good.key\n`), 0o644);
    assert.match(checkAsNobody(file), /key-file: \S+\/good\.key cannot be read by this user/);
    fixture.write('blockferry.yaml', withGroup(source), 0o644);
    const text = checkAsNobody(file).replaceAll(`${folder}/`, '').replaceAll(folder, '.');
    assert.match(text, /state: \. is not writable by this user/);
    assert.match(text, /volumes\.data\.path: closed\/v\.raw cannot be read by this user/);
    assert.match(text, /volumes\.log\.path: images\/target\.raw cannot be read and written by this user/);
  });

  /** Everything is imported before the rights are given up. */
  function checkAsNobody(file: string): string {
    const script = `const { checkConfiguration } = await import(process.argv[1]);
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY}); }
      process.stdout.write(checkConfiguration(process.argv[2]).text);`;
    const module = join(import.meta.dirname, '..', '..', 'src', 'cli', 'check.ts');
    const argv = ['--input-type=module', '--eval', script, module, file];
    return execFileSync(process.execPath, argv, { encoding: 'utf8' });
  }
});
