import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountEntrySchema, type MountEntry } from '../../src/api/contract/mounts.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const SIZE = 32 * MIB;
const CONNECTIONS = 3;

describe('a source whose buffer moves to another folder while it runs', () => {
  let pair: SitePair;
  let other: string;
  beforeEach(() => {
    const folder = temporaryFolder();
    other = join(folder, 'other');
    mkdirSync(other);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'blockferry-test', other]);
    mkdirSync(join(folder, 'destination', 'buffer', 'g'), { recursive: true });
    pair = new SitePair({
      folder,
      volumes: { disk: SIZE },
      segment: '{ size: 1 MiB, age: 200 ms }',
      transport: `        folder: ${join(folder, 'destination', 'buffer', 'g')}`,
      sourceExtra: '    snapshots: snapshots\n    views: { socket: views.sock }',
    });
  });
  afterEach(async () => {
    await pair.stopAll();
    execFileSync('umount', [other]);
  });

  function configure(buffer: string): void {
    const file = pair.path('source', 'config.yaml');
    const text = readFileSync(file, 'utf8').replace(/^ {4}buffer: .*$/m, `    buffer: ${buffer}`);
    writeFileSync(file, text);
  }

  async function reload(buffer: string): Promise<void> {
    configure(buffer);
    const answer = await connectDaemon(pair.path('source', 'state'), 'POST', '/reload', {});
    assert.deepEqual(answer, { changed: ['groups.g.buffer'] });
  }

  const ask = (method: string, path: string, body?: object): Promise<unknown> =>
    connectDaemon(pair.path('source', 'state'), method, `/groups/g/${path}`, body);

  const mount = async (called: string): Promise<MountEntry> =>
    mountEntrySchema.parse(await ask('POST', 'mounts', { point: { kind: 'snapshot', called } }));

  async function readOf(address: MountEntry['address'], name: string): Promise<Buffer> {
    const client = await NbdClient.open(address, name);
    const held = await client.read(0, SIZE);
    client.close();
    return held;
  }

  const hosts = (): StampedHost[] =>
    Array.from({ length: CONNECTIONS }, (_, i) => {
      const length = SIZE / CONNECTIONS - ((SIZE / CONNECTIONS) % 512);
      return new StampedHost(i + 1, { start: i * length, length });
    });

  const isIn = async (folder: string): Promise<boolean> => (await pair.source()).buffer.folder === folder;
  const left = (): string[] => readdirSync(pair.groupFolder('source')).toSorted();

  /** As hosts see it. */
  async function assertKept(all: readonly StampedHost[]): Promise<void> {
    const client = await NbdClient.open({ path: pair.socket }, 'disk');
    const volume = await client.read(0, SIZE);
    client.close();
    assert.deepEqual(
      all.flatMap((host) => host.check(volume)),
      [],
    );
  }

  async function assertSame(all: readonly StampedHost[]): Promise<void> {
    await pair.inStep();
    await pair.stop('source');
    await pair.stop('destination');
    const volume = readFileSync(pair.volume('source', 'disk'));
    assert.ok(volume.equals(readFileSync(pair.volume('destination', 'disk'))));
    assert.deepEqual(
      all.flatMap((host) => host.check(volume)),
      [],
    );
  }

  it('goes on in it, on another file system, and lets no host go nor loses a write (I1, I6)', async () => {
    await pair.start('destination');
    await pair.start('source');
    const all = hosts();
    let stop = false;
    const load = all.map(async (host) => {
      // One connection each, all the time.
      while (!stop && (await host.run({ path: pair.socket }, 'disk', 400)));
      return stop;
    });
    await pause(500);
    await reload(other);
    await pair.until('moving', () => isIn(join(other, 'g')));
    await pair.until('removing the old files', () => Promise.resolve(left().join() === 'lock,moved-to.json'));
    stop = true;
    assert.deepEqual(await Promise.all(load), [true, true, true]);
    await assertSame(all);
  });

  it('goes on keeping snapshots of its own, which are whole; one that is mounted stands in the way (I7)', async () => {
    await pair.start('destination');
    await pair.start('source');
    const all = hosts();
    const write = async (): Promise<void> => {
      for (const host of all) await host.run({ path: pair.socket }, 'disk', 100);
    };
    const now = (): Promise<Buffer> => readOf({ kind: 'socket', path: pair.socket }, 'disk');
    await write();
    await ask('POST', 'snapshots', { name: 'before' });
    const before = await now();
    await write();
    const mounted = await mount('before');
    await assert.rejects(reload(other), /MOVE_MOUNTED/);
    await ask('DELETE', `mounts/${mounted.name}`);
    await reload(other);
    await pair.until('moving', () => isIn(join(other, 'g')));
    await write();
    await ask('POST', 'snapshots', { name: 'after' });
    const after = await now();
    await write();
    await pair.inStep();
    for (const [name, held] of [
      ['before', before],
      ['after', after],
    ] as const) {
      const { address, exports } = await mount(name);
      assert.ok(held.equals(await readOf(address, exports[0]!.name)), name);
    }
    await assertSame(all);
  });

  it('stays where there is no room for it, says why, and moves once there is; killed on the way, it goes on (I6, I8)', async () => {
    await pair.start('destination');
    await pair.start('source');
    const all = hosts();
    const write = async (): Promise<void> => {
      for (const host of all) await host.run({ path: pair.socket }, 'disk', 100);
    };
    await write();
    const filler = join(other, 'filler');
    writeFileSync(filler, Buffer.alloc(245 * MIB));
    await reload(other);
    await pair.until('saying why', async () =>
      (await pair.source()).waits.some(
        ({ code, message }) => code === 'buffer-move-failed' && message.includes('are needed'),
      ),
    );
    assert.ok(await isIn(pair.groupFolder('source')));
    await write();
    rmSync(filler);
    await connectDaemon(pair.path('source', 'state'), 'POST', '/reload', {});
    await pair.until('moving', () => isIn(join(other, 'g')));
    for (const [buffer, after] of [
      ['buffer', 400],
      [other, 1200],
    ] as const) {
      const load = write();
      await reload(buffer);
      await pause(after);
      await pair.stop('source', 'SIGKILL');
      await load;
      await pair.start('source');
      await assertKept(all);
    }
    await pair.until('moving', () => isIn(join(other, 'g')));
    await write();
    await assertSame(all);
    configure('buffer');
    await assert.rejects(pair.start('source'), /was moved to .*set groups.g.buffer to .*other/s);
  });
});
