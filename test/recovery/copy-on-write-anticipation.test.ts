import assert from 'node:assert/strict';
import { CHUNK_SIZE } from '../../src/recovery/granules.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { memoryPlace, STORE_FOLDER } from './memory-place.ts';
import { hexId, quiet, replicaAfter, snapshot, throwsCode, write } from './replica.ts';
import { watchedFiles, type Call } from './watched-files.ts';

const SIZES = [8 * CHUNK_SIZE];
const CHUNKS = `${STORE_FOLDER}/${hexId(1)}.chunks`;

describe('the copy-on-write store that is told what is to be preserved soon', () => {
  it('has only the sync left to do when it is to be preserved', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 8 * CHUNK_SIZE, 1), snapshot(1));
    replica.store.close();
    const calls: Call[] = [];
    const store = openSnapshotStore(
      watchedFiles(place.files, (call) => calls.push(call)),
      quiet,
      place,
    );
    const ranges = [0, 2, 5].map((chunk) => ({
      volume: 'volume0',
      offset: chunk * CHUNK_SIZE,
      length: 4096,
    }));
    store.anticipate(ranges);
    assert.ok(!calls.slice(-10).some(({ name }) => name === 'syncNow'), 'nothing is waited for yet');
    calls.length = 0;
    store.preserve(ranges);
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['syncNow', 'forgetCached', 'write'],
      'the sync, behind which it takes no memory, and the mark',
    );
    const reader = store.open(hexId(1), 'volume0');
    assert.deepEqual(
      reader.changed?.(0).ranges.map(({ start }) => start),
      ranges.map(({ offset }) => offset),
    );
    reader.close();
    store.close();
  });

  it('waits for nothing where more was said to come since (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 8 * CHUNK_SIZE, 1), snapshot(1));
    replica.store.close();
    const calls: Call[] = [];
    replica.restart(watchedFiles(place.files, (call) => calls.push(call)));
    const { store } = replica;
    calls.length = 0;
    const chunk = (number: number) => ({ volume: 'volume0', offset: number * CHUNK_SIZE, length: 4096 });
    store.anticipate([chunk(0)]);
    store.anticipate([chunk(2)]);
    assert.equal(calls.filter(({ name }) => name === 'syncNow').length, 1, 'of what came before');
    calls.length = 0;
    store.preserve([chunk(0)]);
    assert.deepEqual(calls, []);
    place.crash();
    replica.restart(place.files);
    const reader = replica.store.open(hexId(1), 'volume0');
    assert.ok(reader.changed?.(0).ranges.some(({ start }) => start === 0));
    reader.close();
  });

  it('waits for what a part of a chunk needs, though the rest of it is durable (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 8 * CHUNK_SIZE, 1), snapshot(1));
    replica.store.close();
    const calls: Call[] = [];
    replica.restart(watchedFiles(place.files, (call) => calls.push(call)));
    const granule = (number: number) => ({ volume: 'volume0', offset: number * 4096, length: 4096 });
    replica.store.anticipate([granule(0)]);
    replica.store.anticipate([granule(3)]);
    calls.length = 0;
    replica.store.preserve([granule(0), granule(3)]);
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['syncNow', 'forgetCached', 'write'],
    );
    replica.store.close();
  });

  it('has what is to be kept on its way to memory before it reads the first of it', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 8 * CHUNK_SIZE, 1), snapshot(1));
    replica.store.close();
    const calls: string[] = [];
    const volume = place.volumes[0]?.path;
    const store = openSnapshotStore(
      watchedFiles(place.files, ({ name, path }) => {
        if (path === volume && name !== 'nextData') calls.push(name);
      }),
      quiet,
      place,
    );
    calls.length = 0;
    store.preserve(
      [0, 3, 5].map((chunk) => ({ volume: 'volume0', offset: chunk * CHUNK_SIZE, length: 4096 })),
    );
    const three = (name: string): string[] => Array.from({ length: 3 }, () => name);
    assert.deepEqual(calls, ['open', ...three('startReading'), ...three('read')]);
    store.close();
  });

  it('keeps it again where it could not be made durable (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, write(0, 0, 8 * CHUNK_SIZE, 1), snapshot(1));
    replica.store.close();
    let isBroken = false;
    replica.restart(
      watchedFiles(place.files, ({ name, path }) => {
        if (isBroken && name === 'syncNow' && path === CHUNKS)
          throw Object.assign(new Error('broken'), { code: 'EIO' });
      }),
    );
    const first = { volume: 'volume0', offset: 0, length: 512 };
    const second = { ...first, offset: CHUNK_SIZE };
    replica.store.anticipate([first]);
    isBroken = true;
    throwsCode('EIO', () => replica.store.preserve([second]));
    isBroken = false;
    replica.run(write(0, 0, 2 * CHUNK_SIZE, 9));
    place.crash();
    replica.restart(place.files);
    replica.check();
    replica.checkVolumes();
  });
});
