import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { loadConfig, type LoadedConfig } from '../../src/config/load.ts';
import { GOOD_SOURCE, KEY, makeFixture, PASSWORD, withGroup, type Fixture } from './fixture.ts';

describe('Loading a configuration:', () => {
  let fixture: Fixture;
  before(() => {
    fixture = makeFixture();
  });
  after(() => {
    fixture.remove();
  });

  function good(text: string): LoadedConfig {
    const loaded = loadConfig(fixture.write('under-test.yaml', text), { env: { PASSWORD } });
    if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems, null, 1));
    return loaded;
  }

  describe('A configuration without mistakes', () => {
    it('has absolute paths, bytes, milliseconds and defaults for a source', () => {
      const { config } = good(withGroup(`${GOOD_SOURCE}key-file: good.key\n`));
      const { folder } = fixture;
      assert.deepEqual(config, {
        stateFolder: join(folder, 'state'),
        log: { level: 'info', file: undefined, size: 10_485_760, files: 5 },
        api: { kind: 'socket', path: join(folder, 'state', 'api.sock') },
        receiver: undefined,
        alarms: undefined,
        transfers: 32,
        links: [],
        groups: [
          {
            role: 'source',
            name: 'oracle',
            folder: join(folder, 'buffer', 'oracle'),
            quota: 1_073_741_824,
            objective: undefined,
            key: KEY,
            volumes: [{ name: 'data', path: join(folder, 'images', 'new.raw'), size: 1_048_576 }],
            coalesce: true,
            initialCopy: 'send',
            replicateEvery: undefined,
            verifyEvery: undefined,
            ownSnapshots: undefined,
            timedMarkers: [],
            whenFull: 'refuse-writes',
            segment: { size: 8_388_608, age: 2000, compression: 1, dropOverwritten: false },
            nbd: { socket: join(folder, 'nbd.sock'), tcp: undefined, connections: 64 },
            destinations: [
              {
                name: 'bern',
                parallel: 2,
                link: undefined,
                weight: 1,
                transport: { kind: 'folder', path: join(folder, 'share') },
              },
            ],
          },
        ],
      });
    });

    it('has everything that was written, for a source that sends by FTP, SFTP and SMB', () => {
      const text = `role: source
buffer: /buffer
quota: 20 GiB
when-full: change-map
segment: { size: 1 MiB, age: 500 ms, compression: 0, drop-overwritten: true }
volumes: { data: /dev/sdz, log: { path: /log.raw } }
nbd: { listen: '[::1]:10809', connections: 3 }
destinations:
  bern:
    parallel: 4
    ftp: { host: '::1', port: 2121, user: u, password-file: password, path: //a//b/, certificate-authority: cert.pem, timeout: 1 min }
  bonn: { sftp: { host: bonn.example, user: u, private-key: ssh-key, host-key: 'SHA256:${'A'.repeat(43)}', path: /g } }
  basel: { smb: { host: basel.example, share: backup, user: u, domain: BS, password-env: PASSWORD, path: /g/, encryption: required } }
  rome: { ftp: { host: rome.example, user: u, password-env: PASSWORD, path: /, tls: implicit, fingerprint: '${'AB:'.repeat(31)}CD' } }
`;
      const { config } = good(
        withGroup(text, 'log: { level: debug, file: log/b.log, size: 1 MB, files: 2 }\n'),
      );
      const [group] = config.groups;
      assert.ok(group?.role === 'source');
      assert.deepEqual(config.log, {
        level: 'debug',
        file: join(fixture.folder, 'log/b.log'),
        size: 1_000_000,
        files: 2,
      });
      assert.deepEqual(group.nbd, { socket: undefined, tcp: { host: '::1', port: 10_809 }, connections: 3 });
      assert.deepEqual(group.segment, { size: 1_048_576, age: 500, compression: 0, dropOverwritten: true });
      assert.equal(group.key, undefined);
      assert.equal(group.whenFull, 'change-map');
      assert.deepEqual(group.destinations, [
        {
          name: 'bern',
          parallel: 4,
          link: undefined,
          weight: 1,
          transport: {
            kind: 'ftp',
            host: '::1',
            port: 2121,
            user: 'u',
            password: PASSWORD,
            path: '/a/b',
            tls: 'explicit',
            certificateAuthority: fs.readFileSync(join(fixture.folder, 'cert.pem'), 'utf8'),
            fingerprint: undefined,
            timeout: 60_000,
          },
        },
        {
          name: 'bonn',
          parallel: 2,
          link: undefined,
          weight: 1,
          transport: {
            kind: 'sftp',
            host: 'bonn.example',
            port: 22,
            user: 'u',
            password: undefined,
            privateKey: fs.readFileSync(join(fixture.folder, 'ssh-key'), 'utf8'),
            hostKey: `SHA256:${'A'.repeat(43)}`,
            path: '/g',
            timeout: 30_000,
          },
        },
        {
          name: 'basel',
          parallel: 2,
          link: undefined,
          weight: 1,
          transport: {
            kind: 'smb',
            host: 'basel.example',
            port: 445,
            share: 'backup',
            path: '/g',
            user: 'u',
            domain: 'BS',
            password: PASSWORD,
            encryption: 'required',
            timeout: 30_000,
          },
        },
        {
          name: 'rome',
          parallel: 2,
          link: undefined,
          weight: 1,
          transport: {
            kind: 'ftp',
            host: 'rome.example',
            port: 990,
            user: 'u',
            password: PASSWORD,
            path: '/',
            tls: 'implicit',
            certificateAuthority: undefined,
            fingerprint: `${'ab'.repeat(31)}cd`,
            timeout: 30_000,
          },
        },
      ]);
    });

    it('has markers, a login and a receiver for a destination', () => {
      const text = `role: destination
buffer: buffer
snapshots: snapshots
quota: 64 MiB
key-file: base64.key
objective: 5 min
volumes: { data: v.raw }
markers: { nightly: { run: [/bin/nightly, --full, ''], time-limit: 10 min, wait: false }, plain: { run: [/bin/true] } }
timed-snapshots: { at: 0 */4 * * *, time-zone: Europe/Zurich }
retain: { time: 2 d, size: 50 GiB }
rehearsal: { run: [/bin/drill, ext4], time-limit: 20 min, at: 0 5 * * sun, time-zone: Europe/Zurich }
login: { user: erp, password-file: password }
`;
      const receiver = `receiver:
  listen: 0.0.0.0:2121
  passive-ports: 40000-40009
  public-address: 203.0.113.7
  tls: { certificate: cert.pem, key: key.pem }
  connections: 5
alarms: { run: [/bin/mail, root], time-limit: 30 s, at-least: error }
`;
      const { config } = good(withGroup(text, receiver));
      const { folder } = fixture;
      assert.deepEqual(config.alarms, { run: ['/bin/mail', 'root'], timeLimit: 30_000, atLeast: 'error' });
      assert.deepEqual(config.groups, [
        {
          role: 'destination',
          name: 'oracle',
          folder: join(folder, 'buffer/oracle'),
          quota: 67_108_864,
          objective: 300_000,
          key: KEY,
          volumes: [{ name: 'data', path: join(folder, 'v.raw'), size: undefined }],
          retention: undefined,
          timedSnapshots: { times: '0 */4 * * *', timeZone: 'Europe/Zurich' },
          retain: { time: 172_800_000, size: 53_687_091_200 },
          nbd: { socket: join(folder, 'state/oracle.nbd.sock'), tcp: undefined, connections: 64 },
          views: {
            address: { kind: 'socket', path: join(folder, 'state/oracle.views.sock') },
            connections: 64,
            scratch: { folder: join(folder, 'buffer/oracle/scratch'), size: 10_737_418_240 },
          },
          snapshotFolder: join(folder, 'snapshots/oracle'),
          markers: [
            { name: 'nightly', run: ['/bin/nightly', '--full', ''], timeLimit: 600_000, wait: false },
            { name: 'plain', run: ['/bin/true'], timeLimit: 3_600_000, wait: true },
          ],
          rehearsal: {
            run: ['/bin/drill', 'ext4'],
            timeLimit: 1_200_000,
            timed: { times: '0 5 * * sun', timeZone: 'Europe/Zurich' },
          },
          login: { user: 'erp', password: PASSWORD },
        },
      ]);
      assert.deepEqual(config.receiver, {
        host: '0.0.0.0',
        port: 2121,
        passivePorts: { first: 40_000, last: 40_009 },
        publicAddress: '203.0.113.7',
        tls: {
          certificate: fs.readFileSync(join(folder, 'cert.pem'), 'utf8'),
          key: fs.readFileSync(join(folder, 'key.pem'), 'utf8'),
        },
        allowPlain: false,
        connections: 5,
      });
    });

    it('may use anchors and aliases', () => {
      const { config } = good(`state: &here state
groups:
  a: { role: destination, buffer: *here, quota: &q 1 GiB, volumes: { data: a.raw } }
  b: { role: destination, buffer: b, quota: *q, volumes: { data: b.raw } }
`);
      assert.deepEqual(
        config.groups.map((group) => group.quota),
        [1_073_741_824, 1_073_741_824],
      );
      assert.equal(config.groups[0]?.folder, join(fixture.folder, 'state', 'a'));
    });

    it('may offer NBD and the receiver to a network unprotected where the file says so', () => {
      good(
        withGroup(
          GOOD_SOURCE.replace('socket: nbd.sock', 'listen: 0.0.0.0:10809, allow-unauthenticated: true'),
        ),
      );
      const group = `role: destination
buffer: b
quota: 1 GiB
volumes: { data: v }
login: { user: a, password-file: password }`;
      good(withGroup(group, 'receiver: { listen: 0.0.0.0:2121, allow-plain: true }\n'));
      good(withGroup(group, 'receiver: { listen: 127.0.0.1:2121 }\n'));
    });

    it('keeps two devices apart that have one inode number each on different file systems', () => {
      good(withGroup(GOOD_SOURCE.replace('{ data:', '{ zero: /dev/zero, proc: /proc/version, data:')));
    });
  });
});
