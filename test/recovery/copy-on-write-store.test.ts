import assert from 'node:assert/strict';
import { CHUNK_SIZE, GRANULE_SIZE } from '../../src/recovery/granules.ts';
import { SNAPSHOTS_MAX } from '../../src/recovery/catalogue.ts';
import { ExtentList } from '../../src/nbd/front-end.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { memoryPlace, STORE_FOLDER } from './memory-place.ts';
import { hexId, quiet, replicaAfter, snapshot, throwsCode, write, Replica, type Step } from './replica.ts';
import { Death, watchedFiles, type Call } from './watched-files.ts';

const SIZES = [8 * CHUNK_SIZE + 1536, 4 * CHUNK_SIZE];
const chunksOf = (id: number): string => `${STORE_FOLDER}/${hexId(id)}.chunks`;

const whole = (volume: number, fill: number, size = SIZES[volume]!): Step => write(volume, 0, size, fill);

describe('the copy-on-write store', () => {
  it('returns from preserve only after one sync of what it kept, before which no volume is touched (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), whole(1, 2), snapshot(1));
    replica.store.close();
    const calls: Call[] = [];
    const store = openSnapshotStore(
      watchedFiles(place.files, (call) => calls.push(call)),
      quiet,
      place,
    );
    calls.length = 0;
    store.preserve([
      { volume: 'volume0', offset: 0, length: 3 * CHUNK_SIZE },
      { volume: 'volume1', offset: 512, length: 512 },
      { volume: 'volume0', offset: CHUNK_SIZE, length: 512 },
    ]);
    const synced = calls.findIndex((call) => call.name === 'syncNow');
    const changes = calls
      .slice(0, synced)
      .filter((call) => ['write', 'truncate', 'punchHole'].includes(call.name));
    assert.deepEqual(changes, [{ name: 'write', path: chunksOf(1) }], 'one gathered write');
    assert.deepEqual(calls[synced], { name: 'syncNow', path: chunksOf(1) });
    const blocks = 1 + 1 + 3 * 16 + 1 + 1;
    assert.equal(place.disk.stat(chunksOf(1))!.size, blocks * 4096, 'header, run, three chunks, 4 KiB, mark');
    assert.deepEqual(
      calls.slice(synced + 1),
      ['forgetCached', 'write'].map((name) => ({ name, path: chunksOf(1) })),
      'the mark, which nothing waits for',
    );
    place.crash();
    replica.restart();
    replica.check();
    store.close();
  });

  it('makes no platform call when there is no snapshot, or all is kept already', () => {
    const place = memoryPlace(SIZES);
    const calls: Call[] = [];
    const store = openSnapshotStore(
      watchedFiles(place.files, (call) => calls.push(call)),
      quiet,
      place,
    );
    const ranges = [{ volume: 'volume0', offset: 0, length: SIZES[0]! }];
    calls.length = 0;
    store.preserve(ranges);
    assert.deepEqual(calls, []);
    store.create({ id: hexId(1), name: '', lsn: 1 as never, time: 0 });
    store.preserve(ranges);
    calls.length = 0;
    store.preserve(ranges);
    store.preserve([{ volume: 'volume0', offset: 70_144, length: 512 }]);
    assert.deepEqual(calls, []);
    store.close();
  });

  it('tells of no more than it is asked, where that ends within a chunk', () => {
    const part = 4 * GRANULE_SIZE;
    const place = memoryPlace([CHUNK_SIZE]);
    const { store } = replicaAfter(place, whole(0, 1, CHUNK_SIZE), snapshot(1), write(0, 2 * part, part, 2));
    const reader = store.open(hexId(1), 'volume0');
    const list = new ExtentList(10);
    reader.extents(0, part, list);
    assert.deepEqual(list.extents, [{ length: part, kind: 'data' }]);
    assert.deepEqual(reader.changed?.(0).ranges, [{ start: 2 * part, end: 3 * part }]);
    reader.close();
    store.close();
  });

  it('keeps a chunk of zeros as a note of 24 bytes', () => {
    const place = memoryPlace([200 * CHUNK_SIZE]);
    const replica = replicaAfter(place, snapshot(1), write(0, 0, 200 * CHUNK_SIZE, 7));
    assert.ok(
      place.disk.stat(chunksOf(1))!.size <= 4 * 4096,
      `${place.disk.stat(chunksOf(1))!.size} bytes for 200 chunks`,
    );
    replica.check();
  });

  it('keeps 4 KiB of what a small write touches, once, and with the fifth such write all that is left of its chunk', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1));
    const blocks = (): number => place.disk.stat(chunksOf(1))!.size / 4096;
    for (const [i, granule] of [3, 9, 0, 15].entries()) {
      replica.run(write(0, granule * GRANULE_SIZE + 512, 512, 2));
      replica.run(write(0, granule * GRANULE_SIZE, 1024, 3));
      assert.equal(blocks(), 1 + 2 * (i + 1) + 1, 'header, runs of 4 KiB, mark');
    }
    replica.check();
    replica.run(write(0, 5 * GRANULE_SIZE, 512, 4));
    assert.equal(blocks(), 1 + 4 * 2 + (1 + 12) + 1);
    replica.run(whole(0, 5));
    replica.check();
    place.crash();
    replica.restart();
    replica.check();
  });

  it('keeps a batch of more than one run', () => {
    const place = memoryPlace([200 * CHUNK_SIZE]);
    const replica = replicaAfter(
      place,
      write(0, 512, 199 * CHUNK_SIZE, 1),
      snapshot(1),
      write(0, 0, 200 * CHUNK_SIZE, 2),
    );
    replica.check();
    place.crash();
    replica.restart();
    replica.check();
  });

  it('throws ENOSPC with nothing kept, and keeps everything once there is room (I8)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), whole(1, 2), snapshot(1), write(1, 0, 512, 3));
    for (const room of [0, 4096, 100_000]) {
      place.disk.room = room;
      throwsCode('ENOSPC', () =>
        replica.store.preserve([{ volume: 'volume0', offset: 0, length: 4 * CHUNK_SIZE }]),
      );
    }
    replica.check();
    place.disk.room = Infinity;
    replica.run(whole(0, 4));
    replica.check();
    place.crash();
    replica.restart();
    replica.check();
  });

  it('gives back the room of a batch that could not be made durable', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 0, 512, 2));
    replica.store.close();
    let failing = false;
    const files = watchedFiles(place.files, (call) => {
      if (failing && call.name === 'syncNow') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    });
    replica.restart(files);
    replica.store.list();
    const { size } = place.disk.stat(chunksOf(1))!;
    failing = true;
    throwsCode('EIO', () => replica.run(whole(0, 3)));
    assert.equal(place.disk.stat(chunksOf(1))!.size, size);
    failing = false;
    replica.run(whole(0, 3));
    replica.check();
  });

  it('keeps nothing of a batch of which a part cannot be read', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), whole(1, 2), snapshot(1));
    replica.store.close();
    let failing = true;
    const files = watchedFiles(place.files, (call) => {
      if (!failing || call.name !== 'read' || call.path !== place.volumes[1]!.path) return;
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    });
    replica.restart(files);
    const ranges = [0, 1].map((number) => ({ volume: `volume${number}`, offset: 0, length: 512 }));
    throwsCode('EIO', () => replica.store.preserve(ranges));
    assert.equal(files.openCount(), 1, 'only the chunk file is open');
    failing = false;
    replica.run(write(1, 0, 512, 3));
    assert.equal(place.disk.stat(chunksOf(1))!.size, (1 + 1 + 1 + 1) * 4096, 'header, run, 4 KiB, mark');
    replica.check();
  });

  it('makes durable at a start what the process before it wrote and did not live to sync (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1));
    replica.store.close();
    let preserving = false;
    replica.restart(
      watchedFiles(place.files, (call) => {
        if (call.name === 'syncNow' && preserving) throw new Death('dead');
        if (call.name === 'truncate' && preserving) throw new Death('already dead');
      }),
    );
    replica.store.list();
    preserving = true;
    assert.throws(() => replica.run(write(0, 0, 512, 2)), Death);
    replica.restart(place.files);
    replica.run(write(0, 0, 512, 2));
    place.crash();
    replica.restart();
    replica.check();
  });

  it('holds one file open, however many snapshots there are', () => {
    const place = memoryPlace(SIZES);
    const files = watchedFiles(place.files, () => undefined);
    const replica = new Replica(place, files);
    for (let id = 1; id <= 5; id += 1)
      for (const step of [snapshot(id), write(0, 0, 512, id)]) replica.run(step);
    replica.check();
    assert.equal(files.openCount(), 1);
    replica.store.close();
    assert.equal(files.openCount(), 0);
  });

  it('does not let a half-made snapshot that may show up after a restart lose what is written meanwhile', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 0, 512, 2));
    replica.store.close();
    let failing = false;
    const files = watchedFiles(place.files, (call) => {
      if (call.name === 'rename') failing = true;
      else if (failing && call.name === 'syncDirectory')
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
    });
    replica.restart(files);
    throwsCode('EIO', () => replica.store.create(replica.info(hexId(2))));
    throwsCode('EIO', () => replica.run(write(0, CHUNK_SIZE, 512, 3)));
    failing = false;
    replica.restart(place.files);
    // The new name was seen on disk: it is a snapshot of then, and nothing was written since.
    replica.check(snapshot(2));
    replica.run(write(0, CHUNK_SIZE, 512, 3));
    replica.check();
  });

  it('takes a failed snapshot back before anything is written', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1));
    replica.store.close();
    let [armed, failing] = [true, false];
    const files = watchedFiles(place.files, (call) => {
      if (failing && call.name === 'syncDirectory') throw Object.assign(new Error('EIO'), { code: 'EIO' });
      failing = armed && call.name === 'rename';
    });
    replica.restart(files);
    throwsCode('EIO', () => replica.store.create(replica.info(hexId(2))));
    [armed, failing] = [false, false];
    replica.run(write(0, 0, 512, 2));
    replica.restart(place.files);
    replica.check();
  });

  it('keeps the end of a volume that grew between two snapshots', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 8 * CHUNK_SIZE, 512, 2));
    const before = replica.snapshots.get(hexId(1))![0]!;
    replica.store.close();
    const [volume] = place.volumes;
    const size = 10 * CHUNK_SIZE + 512;
    const grown = new Replica({ ...place, volumes: [{ ...volume!, size }, place.volumes[1]!] });
    replica.model[0]!.copy(grown.model[0]!);
    place.disk.open(volume!.path, 'write').truncate(size);
    for (const step of [
      write(0, 8 * CHUNK_SIZE, 2 * CHUNK_SIZE, 3),
      snapshot(2),
      write(0, 8 * CHUNK_SIZE, 2 * CHUNK_SIZE, 4),
    ]) {
      grown.run(step);
    }
    grown.assertSnapshot(hexId(1), 0, before);
    grown.assertSnapshot(hexId(2), 0, grown.snapshots.get(hexId(2))![0]!);
  });

  it('refuses a snapshot too many', () => {
    const place = memoryPlace(SIZES);
    replicaAfter(place, snapshot(1)).store.close();
    const path = `${STORE_FOLDER}/catalogue.json`;
    const file = place.disk.open(path, 'write');
    const bytes = Buffer.alloc(file.size());
    file.read(bytes, 0);
    const catalogue = JSON.parse(bytes.toString('utf8')) as { snapshots: object[] };
    const [entry] = catalogue.snapshots;
    while (catalogue.snapshots.length < SNAPSHOTS_MAX) {
      catalogue.snapshots.unshift({ ...entry, id: hexId(catalogue.snapshots.length + 1), kept: 4096 });
    }
    file.truncate(0);
    file.write(Buffer.from(JSON.stringify(catalogue)), 0);
    const store = openSnapshotStore(place.files, quiet, place);
    assert.equal(store.list().length, SNAPSHOTS_MAX);
    throwsCode('SNAPSHOT_LIMIT', () =>
      store.create({ id: 'f'.repeat(32), name: '', lsn: 1 as never, time: 0 }),
    );
    store.create({ id: hexId(1), name: '', lsn: 1 as never, time: 0 });
  });

  it('preserves for 200 snapshots with the platform calls of preserving for one', () => {
    const size = 32 * CHUNK_SIZE;
    const place = memoryPlace([size]);
    const calls: Call[] = [];
    const replica = new Replica(
      place,
      watchedFiles(place.files, (call) => calls.push(call)),
    );
    replica.run(write(0, 0, size, 1));
    const preserveAll = (id: number): string[] => {
      calls.length = 0;
      replica.store.preserve([{ volume: 'volume0', offset: 0, length: size }]);
      return calls.map(({ name, path }) => `${name} ${path === chunksOf(id) ? 'chunks' : path}`);
    };
    replica.run(snapshot(1));
    const first = preserveAll(1);
    assert.ok(first.includes('syncNow chunks'), first.join(', '));
    for (let id = 2; id <= 200; id += 1) {
      replica.run(snapshot(id));
      // The model would hold 200 volumes.
      replica.snapshots.set(hexId(id), []);
      assert.deepEqual(preserveAll(id), first, `with ${id} snapshots`);
    }
    const reader = replica.store.open(hexId(1), 'volume0');
    const content = Buffer.alloc(size);
    reader.read(0, content);
    assert.ok(content.equals(Buffer.alloc(size, 1)));
    reader.close();
  });
});
