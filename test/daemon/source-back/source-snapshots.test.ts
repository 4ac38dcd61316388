import assert from 'node:assert/strict';
import { buildSourceBack, type SourceThreadOptions } from '../../../src/daemon/build-threads.ts';
import type { SourceWorker } from '../../../src/daemon/source-back/source-worker.ts';
import { LSN_NONE, type Lsn, type VolumeIndex } from '../../../src/journal/ids.ts';
import type { ClosedRaw } from '../../../src/journal/raw-segment.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import { errorCode } from '../../../src/platform/errors.ts';
import type { Files } from '../../../src/platform/files.ts';
import { openSnapshotStore } from '../../../src/recovery/open-store.ts';
import type { SnapshotStore } from '../../../src/recovery/snapshot-store.ts';
import { Engine, freshDisk, History, VOLUME_SIZE } from '../../capture/engine.ts';
import { EPOCH, settle } from '../../capture/journal.ts';
import type { MemoryDisk } from '../../recovery/memory-disk.ts';
import { noMounts } from '../../support/no-mounts.ts';
import { seededRandom } from '../../support/random.ts';
import { silentLog } from '../../support/silent-log.ts';
import { Crash, systemError, TamperedFiles, type Change, type Fault } from '../../support/tampered-files.ts';
import { SourceSite } from '../source/source-site.ts';

const SNAPSHOTS = '/snapshots/g';
const KEPT: NonNullable<SourceThreadOptions['snapshots']> = {
  folder: SNAPSHOTS,
  views: {
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    connections: 4,
    scratch: { folder: '/scratch', size: 2 ** 20 },
  },
};
const NAMES = ['a', 'b'] as const;
const VOLUMES = NAMES.map((name, i) => ({
  index: i as VolumeIndex,
  name,
  path: `/volumes/${name}`,
  size: VOLUME_SIZE,
}));
const OPTIONS: SourceThreadOptions = {
  folder: '/group',
  group: { name: 'g', id: '12'.repeat(16) },
  epoch: EPOCH,
  key: undefined,
  compression: 0,
  dropOverwritten: false,
  initialCopy: 'send',
  snapshots: KEPT,
  volumes: VOLUMES,
};

const idOf = (number: number): string => number.toString(16).padStart(32, '0');

interface Written {
  readonly disk: MemoryDisk;
  readonly raws: readonly ClosedRaw[];
  readonly history: History;
  /** LSN of each marker, by its id. */
  readonly markers: ReadonlyMap<string, Lsn>;
}

/** Segments of a group's journal with a snapshot marker behind each but the last, whose writes overlap. */
async function written(count: number, clones = false): Promise<Written> {
  const engine = new Engine(freshDisk(0, { clones }), { segmentSize: 64 * 1024 });
  const history = new History();
  const markers = new Map<string, Lsn>();
  for (let i = 0; i < count; i += 1) {
    for (const [k, name] of ['a', 'b', 'a'].entries()) {
      const offset = ((i * 7 + k * 11) % 60) * 4096;
      const data = Buffer.alloc(8192, i * 3 + k + 1);
      engine.write(name, offset, data);
      history.add(engine.host.writer.last, name, offset, data);
    }
    if (i === count - 1) engine.host.writer.close();
    else {
      const placed = await engine.host.placeMarker({ id: idOf(i), kind: 'snapshot', name: `m${i}` });
      markers.set(idOf(i), placed.lsn);
    }
  }
  await engine.host.writer.durable();
  await settle();
  return { disk: engine.remains.disk, raws: engine.closed.map(({ raw }) => raw), history, markers };
}

const worker = (files: Files, options = OPTIONS): SourceWorker =>
  buildSourceBack({ clock: nodeClock, files, random: seededRandom('own') }, silentLog, options, noMounts);

/** Destages what is not yet, as a restart does, and more. */
async function destage(object: SourceWorker, raws: readonly ClosedRaw[]): Promise<void> {
  await object.open();
  for (const raw of raws) {
    await object.seal([raw], true);
    await object.apply(raw);
  }
}

function readStore(files: Files): SnapshotStore {
  return openSnapshotStore(files, silentLog, { folder: SNAPSHOTS, volumes: VOLUMES });
}

function contentOf(store: SnapshotStore, id: string, name: string): Buffer {
  const reader = store.open(id, name);
  const content = Buffer.alloc(reader.size);
  reader.read(0, content);
  reader.close();
  return content;
}

/** I3, I7: each is what hosts had written at its LSN. */
function assertWhole(files: Files, history: History): string[] {
  const store = readStore(files);
  const ids = store.list().map(({ id, lsn }) => {
    for (const name of NAMES)
      assert.ok(
        contentOf(store, id, name).equals(history.at(lsn, name)),
        `volume ${name} of ${id} at ${lsn}`,
      );
    return id;
  });
  store.close();
  return ids;
}

const fullAt =
  (folder: string, ...more: Change['kind'][]) =>
  ({ kind, path }: Change): Fault | undefined =>
    ['write', 'allocate', ...more].includes(kind) && path.startsWith(folder)
      ? { when: 'before', error: systemError('ENOSPC') }
      : undefined;

/** What replaces the catalogue finds the room that is kept for it. */
const noRoomToKeep = (change: Change, ...more: Change['kind'][]): Fault | undefined =>
  change.path.includes('catalogue') ? undefined : fullAt(`${SNAPSHOTS}/`, ...more)(change);

describe('a source’s own snapshots', () => {
  for (const clones of [true, false]) {
    it(`are cut at each marker, and stay what they were then, ${clones ? 'by clones' : 'by copies'} (I3, I7, I9)`, async () => {
      const { disk, raws, history, markers } = await written(5, clones);
      const object = worker(disk);
      await destage(object, raws);
      await object.close();
      assert.deepEqual(assertWhole(disk, history), [...markers.keys()]);
      const again = worker(disk);
      await destage(again, raws);
      assert.deepEqual(
        (await again.snapshots()).map(({ id, lsn, name }) => [id, lsn, name]),
        [...markers].map(([id, lsn], i) => [id, lsn, `m${i}`]),
      );
      await again.close();
    });

    for (const when of ['before', 'after'] as const) {
      it(`are there once, and whole, after it died ${when} a change and the power was cut, ${clones ? 'by clones' : 'by copies'} (I6, I7, I9)`, async () => {
        const random = seededRandom(`power ${when} ${clones}`);
        // After a change is before the next: together, every second one.
        let n = when === 'before' ? 1 : 2;
        for (let dead = true; dead; n += 4) {
          const { disk, raws, history, markers } = await written(3, clones);
          const files = new TamperedFiles(disk);
          files.dieAt(n, when);
          let deleted = false;
          try {
            const object = worker(files);
            await destage(object, raws.slice(0, 2));
            deleted = true;
            await object.deleteSnapshot(idOf(0));
            while (await object.tidySnapshots());
            await destage(object, raws);
            dead = false;
          } catch (error) {
            assert.ok(error instanceof Crash || String(error).includes('the process died'), String(error));
          }
          disk.cutPower(() => random.fraction() < 0.5);
          const object = worker(disk);
          await destage(object, raws);
          await object.close();
          const found = assertWhole(disk, history);
          const wanted = [...markers.keys()].filter((id) => !deleted || id !== idOf(0));
          assert.deepEqual(
            found.filter((id) => id !== idOf(0) || !deleted),
            wanted,
            `call ${n}`,
          );
        }
        assert.ok(n > 60, `${n} calls were tried`);
      });
    }
  }

  it('of markers that replication files alone still have are cut there too', async () => {
    const { disk, raws, history, markers } = await written(4);
    const object = worker(disk);
    await object.open();
    for (const raw of raws) await object.seal([raw], true);
    await object.apply(raws[0]!);
    await object.deleteSnapshot(idOf(0));
    await object.close();
    disk.open(raws[1]!.path, 'write').write(Buffer.from([0xff]), 64 + 40);
    const next = worker(disk);
    assert.equal((await next.open()).checkpoint.applied, raws[3]!.last);
    await next.close();
    assert.deepEqual(assertWhole(disk, history), [...markers.keys()].slice(1));
  });

  it('are refused once they were not kept for a while, and taken up again when nothing was in between (I7)', async () => {
    const { disk, raws, history } = await written(3);
    const kept = worker(disk);
    await destage(kept, raws.slice(0, 2));
    await kept.close();
    const same = worker(disk);
    await same.open();
    await same.close();
    const without = worker(disk, { ...OPTIONS, snapshots: undefined });
    await without.open();
    await without.close();
    await assert.rejects(async () => worker(disk).open(), { code: 'SNAPSHOTS_NOT_KEPT' });
    const elsewhere = worker(disk, { ...OPTIONS, snapshots: { ...KEPT, folder: '/snapshots/other' } });
    await elsewhere.open();
    await elsewhere.close();
    await assert.rejects(async () => worker(disk).open(), { code: 'SNAPSHOTS_NOT_KEPT' });
    assertWhole(disk, history);
  });

  it('of a group that grew keep their old sizes, and later ones have the new', async () => {
    const { disk, raws } = await written(3);
    const object = worker(disk);
    await destage(object, raws.slice(0, 1));
    const index = 0 as VolumeIndex;
    await object.extend(index, 2 * VOLUME_SIZE);
    await object.grow(index, 2 * VOLUME_SIZE);
    await object.apply(raws[1]!);
    await object.close();
    const grown = VOLUMES.map((volume) =>
      volume.name === 'a' ? { ...volume, size: 2 * VOLUME_SIZE } : volume,
    );
    const store = openSnapshotStore(disk, silentLog, { folder: SNAPSHOTS, volumes: grown });
    assert.deepEqual(
      store.list().map(({ id }) => contentOf(store, id, 'a').length),
      [VOLUME_SIZE, 2 * VOLUME_SIZE],
    );
    store.close();
  });

  describe('of a running group', () => {
    const marker = (site: SourceSite, number: number): Promise<unknown> =>
      site.group.placeMarker({ id: idOf(number), kind: 'snapshot', name: `m${number}` });

    async function place(site: SourceSite, number: number): Promise<void> {
      const placed = marker(site, number);
      await site.clock.pass(3000);
      await placed;
    }

    it('are made on demand of all that hosts have written, destaged or not', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      site.write('a');
      const seen = NAMES.map((name) => site.seen(name));
      const made = site.group.points!.create({ id: idOf(7), name: 'now' });
      site.write('b');
      await site.clock.pass(3000);
      await made;
      await site.fill(3);
      assert.equal(site.group.points!.count, 1);
      await site.back.close();
      const store = readStore(site.disk);
      for (const [i, name] of NAMES.entries()) assert.ok(contentOf(store, idOf(7), name).equals(seen[i]!));
      store.close();
    });

    it('wait for room while hosts need not, and are all there when there is some (I7)', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      await place(site, 1);
      site.files.fault = fullAt(SNAPSHOTS);
      site.write('a');
      await site.clock.pass(10_000);
      assert.deepEqual(site.waiting(), ['volume-full']);
      assert.equal(site.group.points!.count, 1);
      site.files.fault = () => undefined;
      await site.clock.pass(10_000);
      assert.deepEqual(site.waiting(), []);
      await site.back.close();
      const store = readStore(site.disk);
      assert.ok(contentOf(store, idOf(1), 'a').equals(Buffer.alloc(VOLUME_SIZE)));
      store.close();
    });

    it('are given up, the oldest first, before hosts wait; markers are then passed over, until there is room (I8)', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      for (const number of [1, 2]) {
        await place(site, number);
        await site.fill(1);
      }
      site.files.fault = noRoomToKeep;
      assert.equal(await site.fill(12), 'taken');
      await place(site, 3);
      assert.equal(await site.fill(12), 'taken');
      assert.equal(site.group.points!.count, 0);
      assert.deepEqual(site.waiting(), ['snapshots-given-up']);
      const lost = site.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
      assert.match(lost.join('\n'), /^snapshot m1.*\nsnapshot m2.*\nno snapshot is made at marker m3/);
      site.files.fault = () => undefined;
      await place(site, 4);
      assert.deepEqual(site.waiting(), []);
      assert.equal(site.group.points!.count, 1);
      await site.back.close();
    });

    it('are said to be given up also where what they took cannot be freed (I8)', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      await place(site, 1);
      // As a file system may do that has no room for what removing writes.
      site.files.fault = (change) => noRoomToKeep(change, 'remove');
      await site.fill(12);
      assert.ok(site.waiting().includes('snapshots-given-up'));
      await site.back.close();
    });

    it('are not given up for a volume that is full where they are not', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      await place(site, 1);
      site.files.fault = fullAt('/volumes/');
      assert.equal(await site.fill(12), 'no room');
      assert.equal(site.group.points!.count, 1);
      site.files.fault = () => undefined;
      await site.clock.pass(10_000);
      assert.deepEqual(site.waiting(), []);
      await site.back.close();
    });

    it('that cannot be made on demand say so, and keep nothing from being destaged', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), snapshots: KEPT });
      site.files.fault = fullAt(SNAPSHOTS);
      const made = site.group.points!.create({ id: idOf(7), name: 'now' });
      const refused = assert.rejects(made, (error) => errorCode(error) === 'ENOSPC');
      await site.clock.pass(3000);
      await refused;
      assert.deepEqual(site.waiting(), []);
      await site.back.close();
    });

    it('are refused once the group has stopped, also those that wait', async () => {
      const site = await SourceSite.start({}, { ...freshDisk(), done: LSN_NONE, snapshots: KEPT });
      site.disk.rename('/volumes/b', '/volumes/away');
      site.write('b');
      const made = site.group.points!.create({ id: idOf(7), name: 'now' });
      const refused = assert.rejects(made, { code: 'GROUP_STOPPED' });
      await site.clock.pass(100);
      const stopped = site.group.stop();
      await site.clock.pass(60_000);
      await Promise.all([stopped, refused]);
      const later = site.group.points!.create({ id: idOf(8), name: 'then' });
      await assert.rejects(later, { code: 'GROUP_STOPPED' });
    });
  });
});
