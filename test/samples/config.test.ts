import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Config, DestinationGroupConfig, SourceGroupConfig } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { describeProblem } from '../../src/config/problems.ts';
import type { ConfigWorld } from '../../src/config/world.ts';
import { Schedule } from '../../src/transfer/schedule/schedule.ts';
import { makeFixture, type Fixture } from '../config/fixture.ts';
import { MANIFEST, NOT_OURS } from './manifest.ts';

const SAMPLES = join(import.meta.dirname, '..', '..', 'samples');

describe('The samples', () => {
  let fixture: Fixture;
  before(() => {
    fixture = makeFixture();
  });
  after(() => {
    fixture.remove();
  });

  /** The machine that a sample is for: its secrets are there, with the content of the test's own. */
  function machineOf(platform: ConfigWorld['platform'], sample: string, text: string): ConfigWorld {
    const contentOf = (path: string): Buffer | undefined => {
      if (path === sample) return Buffer.from(text);
      const stand = [
        [/[/\\][a-z]+\.key$/, /receiver\.key$/.test(path) ? 'key.pem' : 'good.key'],
        [/\/[a-z]+-password$/, 'password'],
        [/\/[a-z]+\.pem$/, 'cert.pem'],
      ] as const;
      const found = stand.find(([pattern]) => pattern.test(path));
      return found === undefined ? undefined : fs.readFileSync(join(fixture.folder, found[1]));
    };
    return {
      platform,
      identity: (path) => path,
      readFile: (path) => {
        const content = contentOf(path);
        if (content === undefined) return { kind: 'failed', reason: 'does not exist' };
        return { kind: 'content', content, shared: false, mode: 0o600 };
      },
    };
  }

  function load(name: string, platform: ConfigWorld['platform'] = 'posix'): Config {
    const text = fs.readFileSync(join(SAMPLES, 'config', name), 'utf8');
    const file =
      platform === 'win32'
        ? String.raw`C:\ProgramData\Blockferry\blockferry.yaml`
        : '/etc/blockferry/blockferry.yaml';
    const loaded = loadConfig(file, { env: {}, world: machineOf(platform, file, text) });
    if ('problems' in loaded) assert.fail(loaded.problems.map(describeProblem).join('\n'));
    return loaded.config;
  }

  function source(name: string): SourceGroupConfig {
    const [group] = load(name).groups;
    assert.ok(group?.role === 'source');
    return group;
  }

  function destination(name: string): DestinationGroupConfig {
    const [group] = load(name).groups;
    assert.ok(group?.role === 'destination');
    return group;
  }

  it('are all in the manifest, and say so where the tests do not run them', () => {
    const found = fs.readdirSync(SAMPLES, { recursive: true, withFileTypes: true });
    const names = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const ours = names.map((name) => name.slice(SAMPLES.length + 1)).filter((name) => !NOT_OURS.test(name));
    assert.deepEqual(ours.toSorted(), Object.keys(MANIFEST).toSorted());
    for (const [name, how] of Object.entries(MANIFEST)) {
      const header = fs.readFileSync(join(SAMPLES, name), 'utf8').split('\n').slice(0, 4).join('\n');
      assert.equal(/not run by the tests/i.test(header), how === 'not run', name);
      if (name.endsWith('.sh')) assert.equal(fs.statSync(join(SAMPLES, name)).mode & 0o111, 0o111, name);
    }
  });

  it('of one site and the other fit together: names, key and inbox', () => {
    for (const [from, to] of [
      ['source.yaml', 'destination.yaml'],
      ['receiver-source.yaml', 'receiver-destination.yaml'],
    ] as const) {
      const [a, b] = [source(from), destination(to)];
      assert.equal(a.name, b.name);
      assert.deepEqual(a.key, b.key);
      assert.ok(a.key !== undefined);
      assert.deepEqual(
        a.volumes.map((volume) => volume.name),
        b.volumes.map((volume) => volume.name),
      );
    }
    const link = source('source.yaml').destinations[0]?.transport;
    assert.ok(link?.kind === 'ftp');
    // The server shows /buffer as its root.
    assert.equal(`/buffer${link.path}`, destination('destination.yaml').folder);
  });

  it('with the receiver agree on port, login and TLS', () => {
    const { receiver } = load('receiver-destination.yaml');
    const link = source('receiver-source.yaml').destinations[0]?.transport;
    assert.ok(link?.kind === 'ftp' && receiver !== undefined);
    assert.equal(link.port, receiver.port);
    assert.deepEqual(
      { user: link.user, password: link.password },
      destination('receiver-destination.yaml').login,
    );
    assert.ok(receiver.tls !== undefined && link.tls === 'explicit' && link.fingerprint !== undefined);
  });

  it('with a mounted share send to a folder', () => {
    const link = source('mounted-share.yaml').destinations[0]?.transport;
    assert.deepEqual(link, { kind: 'folder', path: '/mnt/bern/files' });
  });

  it('with a schedule share a link between two groups, and have a second destination without one', () => {
    const config = load('scheduled-links.yaml');
    const [link] = config.links;
    assert.equal(link?.week?.windows.length, 4);
    // Of a Monday: before work, at work, at noon; and past midnight into Thursday.
    const schedule = new Schedule(link.week);
    const kinds = ['2026-11-23T05:00Z', '2026-11-23T08:00Z', '2026-11-26T00:30Z', '2026-11-28T08:00Z'].map(
      (time) => schedule.limitAt(Date.parse(time)).kind,
    );
    assert.deepEqual(kinds, ['unlimited', 'rate', 'closed', 'delay']);
    const streams = config.groups.flatMap((group) =>
      group.role === 'source' ? group.destinations.map((each) => [each.name, each.link, each.weight]) : [],
    );
    assert.deepEqual(streams, [
      ['bern', 'wan', 3],
      ['next-door', undefined, 1],
      ['bern', 'wan', 1],
    ]);
  });

  it('for Windows keep drive letters, blanks and shares as they are', () => {
    const config = load('windows.yaml', 'win32');
    const [orders, web] = config.groups;
    assert.ok(orders?.role === 'source' && web?.role === 'destination');
    assert.equal(config.stateFolder, String.raw`C:\ProgramData\Blockferry\state`);
    assert.equal(orders.folder, String.raw`D:\Buffer\orders`);
    assert.equal(orders.volumes[0]?.path, String.raw`E:\Images\orders data.raw`);
    assert.deepEqual(orders.destinations[0]?.transport, {
      kind: 'folder',
      path: String.raw`\\bern\blockferry\orders`,
    });
    assert.equal(web.snapshotFolder, String.raw`D:\Buffer\web\snapshots`);
    assert.equal(web.markers[0]?.run[5], String.raw`C:\Program Files\Blockferry\markers\nightly-backup.ps1`);
    assert.deepEqual(config.api, { kind: 'tcp', host: '127.0.0.1', port: 10_808 });
  });

  it('name marker programs that are samples themselves', () => {
    for (const { run } of destination('destination.yaml').markers) {
      const name = run[0].split('/').at(-1) ?? '';
      assert.equal(MANIFEST[`markers/${name}`], 'run');
    }
  });
});

describe('On Windows, a configuration', () => {
  const file = String.raw`C:\b\blockferry.yaml`;

  function problems(text: string): string[] {
    const world: ConfigWorld = {
      platform: 'win32',
      identity: (path) => path.toLowerCase(),
      readFile: () => ({ kind: 'content', content: Buffer.from(text), shared: false, mode: 0o600 }),
    };
    const loaded = loadConfig(file, { env: {}, world });
    return 'problems' in loaded
      ? loaded.problems.map((problem) => describeProblem(problem).replace(/^.*?yaml:/, ''))
      : [];
  }

  it('is refused for unix sockets, scripts as programs, and paths that differ in case alone', () => {
    const told = problems(String.raw`state: D:\state
groups:
  a:
    role: source
    buffer: D:\Buffer
    quota: 1 GiB
    when-full: refuse-writes
    volumes: { data: 'D:\V.raw' }
    nbd: { socket: nbd.sock }
    destinations: { x: { folder: '\\host\share\a' } }
  b:
    role: destination
    buffer: d:\buffer\A
    quota: 1 GiB
    volumes: { data: d:\v.RAW, disk: '\\.\PhysicalDrive2' }
    markers:
      one: { run: ['C:\m\nightly.cmd'] }
      two: { run: ['C:\m\nightly.ps1'] }
      three: { run: [nightly.exe] }
`);
    assert.deepEqual(told, [
      '9:12: groups.a.nbd.socket: is not served on Windows; write listen: 127.0.0.1 and a port instead',
      '13:13: groups.b.buffer: makes the folder d:\\buffer\\a\\b, which is inside that of groups.a.buffer; choose folders that lie side by side',
      '15:22: groups.b.volumes.data.path: is the same file or device as groups.a.volumes.data.path; give every volume a file or device of its own',
      "17:20: groups.b.markers.one.run[0]: is a batch file, which Windows does not start by itself; write [C:\\Windows\\System32\\cmd.exe, /d, /c, 'C:\\m\\nightly.cmd']",
      "18:20: groups.b.markers.two.run[0]: is a PowerShell script, which Windows does not start by itself; write [C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe, -NoProfile, -ExecutionPolicy, Bypass, -File, 'C:\\m\\nightly.ps1']",
      '19:22: groups.b.markers.three.run[0]: is not a whole path: no shell looks it up; write where the program is, such as /usr/local/bin/nightly',
    ]);
  });

  it('has the API on a free loopback port unless it names one', () => {
    const world: ConfigWorld = {
      platform: 'win32',
      identity: (path) => path,
      readFile: () => ({
        kind: 'content',
        content: Buffer.from(String.raw`state: D:\s
groups: { a: { role: destination, buffer: 'D:\b', quota: 1 GiB, volumes: { disk: '\\.\PhysicalDrive2' } } }
`),
        shared: false,
        mode: 0o600,
      }),
    };
    const loaded = loadConfig(file, { env: {}, world });
    assert.ok('config' in loaded);
    assert.deepEqual(loaded.config.api, { kind: 'tcp', host: '127.0.0.1', port: 0 });
    assert.equal(loaded.config.groups[0]?.volumes[0]?.path, String.raw`\\.\PhysicalDrive2`);
  });
});
