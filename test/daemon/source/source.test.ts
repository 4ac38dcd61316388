import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NbdClient } from '../../../src/nbd/client.ts';
import type { SourceGroupConfig } from '../../../src/config/config.ts';
import { Links } from '../../../src/daemon/links.ts';
import { nodeThreads, nodeWorld } from '../../../src/daemon/node-world.ts';
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import { startSource } from '../../../src/daemon/source/source.ts';
import type { World } from '../../../src/daemon/world.ts';
import type { VolumeIndex } from '../../../src/journal/ids.ts';
import { readGroupFile, writeGroupFile } from '../../../src/journal/source-files.ts';
import type { Log } from '../../../src/platform/log.ts';
import type { RemoteThread } from '../../../src/platform/node/threads.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { openFiles } from '../../support/open-files.ts';

const MIB = 1024 * 1024;

describe('a source on real threads and files', () => {
  let folder: string;
  let lines: string[];
  let running: number;
  let threads: { terminate(): Promise<void> }[];
  const started: RunningGroup[] = [];
  beforeEach(() => {
    folder = temporaryFolder();
    lines = [];
    running = 0;
    threads = [];
  });
  afterEach(async () => {
    for (const group of started.splice(0)) await group.stop();
  });

  /** Node's, with its threads counted. */
  function world(): World {
    function counted<T>(thread: RemoteThread<T>): RemoteThread<T> {
      let counts = 1;
      running += 1;
      const terminate = async (): Promise<void> => {
        await thread.terminate();
        running -= counts;
        counts = 0;
      };
      const made = { call: thread.call, terminate };
      threads.push(made);
      return made;
    }
    const node = nodeWorld.threads;
    return {
      ...nodeWorld,
      threads: {
        ...node,
        sourceBack: (...args) => counted(node.sourceBack(...args)),
        sourceHost: (...args) => counted(node.sourceHost(...args)),
      },
    };
  }

  function config(): SourceGroupConfig {
    return {
      role: 'source',
      name: 'g',
      folder: join(folder, 'g'),
      quota: 64 * MIB,
      objective: undefined,
      key: undefined,
      volumes: [{ name: 'disk', path: join(folder, 'disk.raw'), size: 4 * MIB }],
      segment: { size: MIB, age: 200, compression: 1, dropOverwritten: false },
      coalesce: false,
      initialCopy: 'send',
      replicateEvery: undefined,
      verifyEvery: undefined,
      timedMarkers: [],
      ownSnapshots: undefined,
      whenFull: 'refuse-writes',
      nbd: { socket: join(folder, 'nbd.sock'), tcp: undefined, connections: 4 },
      destinations: [],
    };
  }

  async function start({
    config: wanted = config(),
    world: around = world(),
  }: { config?: SourceGroupConfig; world?: World } = {}): Promise<RunningGroup> {
    const line = (message: string): void => void lines.push(message);
    const log: Log = { debug: line, info: line, warn: line, error: line };
    const links = new Links(nodeWorld.platform.clock, { transfers: 4, links: [], groups: [] });
    const group = await startSource(wanted, log, around, links);
    started.push(group);
    return group;
  }

  /** Somebody else's port. */
  async function listening(): Promise<{ readonly port: number; close(): void }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
  }

  async function write(byte: number): Promise<void> {
    const client = await NbdClient.open({ path: join(folder, 'nbd.sock') }, 'disk');
    await client.write(0, Buffer.alloc(MIB, byte));
    await client.flush();
    client.close();
  }

  it('makes a volume larger while hosts use it, and has it so after a restart with the configuration of before', async () => {
    let group = await start();
    const open = (): Promise<NbdClient> => NbdClient.open({ path: join(folder, 'nbd.sock') }, 'disk');
    const connected = await open();
    const resize = (size: number | undefined, dryRun = false): Promise<unknown> =>
      group.resize('disk', { ...(size === undefined ? {} : { size }), dryRun });
    const facts = { volume: 'disk', path: join(folder, 'disk.raw'), kind: 'image file', from: 4 * MIB };
    assert.deepEqual(await resize(6 * MIB, true), { ...facts, size: 6 * MIB });
    assert.equal(statSync(facts.path).size, 4 * MIB);
    for (const size of [3 * MIB, 6 * MIB + 1, undefined])
      await assert.rejects(resize(size), { code: 'RESIZE_IMPOSSIBLE' });
    await assert.rejects(group.resize('none', { size: MIB, dryRun: false }), { code: 'VOLUME_NOT_FOUND' });
    assert.deepEqual(await resize(6 * MIB), { ...facts, size: 6 * MIB });
    const other = await open();
    await connected.write(0, Buffer.alloc(MIB, 8));
    assert.ok((await other.read(4 * MIB, 2 * MIB)).equals(Buffer.alloc(2 * MIB)));
    await other.write(5 * MIB, Buffer.alloc(MIB, 9));
    await other.flush();
    for (const client of [connected, other]) client.close();
    await started.pop()?.stop();
    group = await start();
    assert.deepEqual((await group.status()).volumes, [{ name: 'disk', size: 6 * MIB }]);
    const again = await open();
    assert.ok((await again.read(5 * MIB, MIB)).equals(Buffer.alloc(MIB, 9)));
    again.close();
  });

  it('goes on with a resize in the middle of which it died: what is new reads as zeros (I6)', async () => {
    await start();
    await started.pop()?.stop();
    const file = readGroupFile(nodeWorld.platform.files, join(folder, 'g'))!;
    const growing = { index: 0 as VolumeIndex, size: 5 * MIB };
    writeGroupFile(nodeWorld.platform.files, join(folder, 'g'), { ...file, growing });
    appendFileSync(join(folder, 'disk.raw'), Buffer.alloc(MIB, 0xff));
    const group = await start();
    assert.equal((await group.status()).volumes[0]?.size, 5 * MIB);
    const client = await NbdClient.open({ path: join(folder, 'nbd.sock') }, 'disk');
    assert.ok((await client.read(4 * MIB, MIB)).equals(Buffer.alloc(MIB)));
    client.close();
    assert.equal(readGroupFile(nodeWorld.platform.files, join(folder, 'g'))?.growing, undefined);
  });

  it('ends its threads and lets its folder go when it cannot start, and starts when what was in the way is gone', async () => {
    writeFileSync(join(folder, 'nbd.sock'), 'no socket');
    await assert.rejects(start(), { code: 'NBD_ADDRESS' });
    assert.equal(running, 0);
    rmSync(join(folder, 'nbd.sock'));
    await start();
    await write(7);
    await started.pop()?.stop();
    assert.equal(running, 0);
    assert.ok(readFileSync(join(folder, 'disk.raw')).subarray(0, MIB).equals(Buffer.alloc(MIB, 7)));
  });

  it('places its timed markers when their time comes', async () => {
    const around = world();
    const { clock } = around.platform;
    // Three seconds before a minute is full, by when the group is in step.
    const ahead = 57_000 - (clock.now() % 60_000);
    const platform = { ...around.platform, clock: { ...clock, now: () => clock.now() + ahead } };
    const timedMarkers = [
      { kind: 'snapshot', name: undefined, times: '* * * * *', timeZone: 'UTC' },
      { kind: 'custom', name: 'nightly', times: '* * * * *', timeZone: 'UTC' },
    ] as const;
    await start({ config: { ...config(), timedMarkers }, world: { ...around, platform } });
    const placed = (): string[] => lines.filter((line) => line.endsWith(' placed')).toSorted();
    for (const end = Date.now() + 250_000; placed().length < 2 && Date.now() < end;) await sleep(100);
    assert.match(placed().join(), /^custom marker nightly placed,snapshot marker \d{8}t\d{6}\.\d{3}z placed/);
  });

  it('stops at once with an offline volume, says what it leaves to the journal, and has it after a restart', async () => {
    const group = await start();
    await write(1);
    mkdirSync(join(folder, 'away'));
    renameSync(join(folder, 'disk.raw'), join(folder, 'away', 'disk.raw'));
    await write(2);
    await group.stop();
    started.pop();
    assert.ok(lines.some((line) => line.includes('the journal has it')));
    await assert.rejects(start(), { code: 'VOLUME_MISSING' });
    assert.equal(running, 0);
    renameSync(join(folder, 'away', 'disk.raw'), join(folder, 'disk.raw'));
    await start();
    await started.pop()?.stop();
    assert.ok(readFileSync(join(folder, 'disk.raw')).subarray(0, MIB).equals(Buffer.alloc(MIB, 2)));
  });

  it('shares threads with other groups, which go on when it ends, and leaves nothing open there', async () => {
    const around = { ...nodeWorld, threads: nodeThreads({ hosts: 1, backs: 1 }) };
    const path = (name: string): string => join(folder, name);
    const groupOf = (name: string): SourceGroupConfig => ({
      ...config(),
      name,
      folder: path(name),
      volumes: [{ name: 'disk', path: path(`${name}.raw`), size: 4 * MIB }],
      nbd: { socket: path(`${name}.sock`), tcp: undefined, connections: 4 },
    });
    const openUnder = (name: string): string[] =>
      openFiles().filter((file) => file.startsWith(path(`${name}/`)) || file === path(`${name}.raw`));
    const others = await start({ config: groupOf('a'), world: around });
    const ending = await start({ config: groupOf('b'), world: around });
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => NbdClient.open({ path: path(`${name}.sock`) }, 'disk')),
    );
    // Each in several segments, so that sealing and destaging take turns.
    for (let i = 0; i < 6; i += 1)
      await Promise.all([a?.write(0, Buffer.alloc(MIB, 10 + i)), b?.write(0, Buffer.alloc(MIB, 20 + i))]);
    assert.notDeepEqual(openUnder('b'), []);
    b?.close();
    await ending.stop();
    started.splice(started.indexOf(ending), 1);
    // A directory's sync that was under way closes it when it ends.
    for (let left = 500; left > 0 && openUnder('b').length > 0; left -= 1) await sleep(10);
    assert.deepEqual(openUnder('b'), []);
    await a?.write(MIB, Buffer.alloc(MIB, 30));
    assert.ok((await a?.read(0, MIB))?.equals(Buffer.alloc(MIB, 15)));
    a?.close();
    // Its socket listens by then.
    const taken = await listening();
    const nbd = { socket: path('c.sock'), tcp: { host: '127.0.0.1', port: taken.port }, connections: 4 };
    const wanted = { ...groupOf('c'), nbd };
    await assert.rejects(start({ config: wanted, world: around }), { code: 'NBD_ADDRESS' });
    taken.close();
    assert.ok(!existsSync(path('c.sock')));
    assert.deepEqual(openUnder('c'), []);
    await others.stop();
    started.splice(started.indexOf(others), 1);
    assert.ok(
      readFileSync(path('a.raw'))
        .subarray(MIB, 2 * MIB)
        .equals(Buffer.alloc(MIB, 30)),
    );
    assert.ok(readFileSync(path('b.raw')).subarray(0, MIB).equals(Buffer.alloc(MIB, 25)));
  });

  it('still tells its status, and stops, when its hosts’ thread has ended', async () => {
    const group = await start();
    await threads.at(-1)?.terminate();
    const status = await group.status();
    assert.equal(status.role, 'source');
    await started
      .pop()
      ?.stop()
      .catch(() => undefined);
    assert.equal(running, 0);
    await start();
  });
});
