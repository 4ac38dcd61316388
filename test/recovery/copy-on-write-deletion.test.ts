import assert from 'node:assert/strict';
import { CHUNK_SIZE } from '../../src/recovery/granules.ts';
import { MERGE_STEP_CHUNKS } from '../../src/recovery/chunk-merge.ts';
import { memoryPlace, STORE_FOLDER } from './memory-place.ts';
import { hexId, replicaAfter, snapshot, throwsCode, write, type Step } from './replica.ts';

const SIZES = [8 * CHUNK_SIZE + 1536, 4 * CHUNK_SIZE];
const chunksOf = (id: number): string => `${STORE_FOLDER}/${hexId(id)}.chunks`;

const whole = (volume: number, fill: number): Step => write(volume, 0, SIZES[volume]!, fill);

describe('a copy-on-write snapshot that was deleted', () => {
  const remove = (id: number): Step => ({ kind: 'delete', id });
  const tidy: Step = { kind: 'tidy' };

  it('of which an older one needs a part hands on that part alone, and goes on preserving', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 0, 512, 2), snapshot(2));
    replica.run(write(0, 0, 3 * CHUNK_SIZE, 3));
    const before = place.disk.stat(chunksOf(1))!.size;
    for (const step of [remove(2), tidy]) replica.run(step);
    assert.equal(place.disk.stat(chunksOf(2)), undefined);
    // The mark at the end gives way to the run; a new mark follows.
    assert.equal(
      place.disk.stat(chunksOf(1))!.size - before,
      (1 + 15 + 2 * 16) * 4096,
      'all but 4 KiB of three chunks',
    );
    replica.run(whole(0, 4));
    replica.check();
  });

  it('that was the newest keeps the older one up in its place, also before anything is handed on (I7)', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), snapshot(2), write(0, 0, 512, 2));
    for (const step of [remove(2), write(0, 0, 2 * CHUNK_SIZE, 3)]) replica.run(step);
    replica.check();
    place.crash();
    replica.restart();
    for (const step of [whole(0, 4), tidy, snapshot(3), whole(0, 5)]) replica.run(step);
    replica.check();
  });

  it('needs no more room at any moment than a step of what it hands on (I8)', () => {
    const chunks = 3 * MERGE_STEP_CHUNKS;
    const place = memoryPlace([2 * chunks * CHUNK_SIZE]);
    const half = chunks * CHUNK_SIZE;
    const replica = replicaAfter(
      place,
      write(0, 0, 2 * half, 1),
      snapshot(1),
      write(0, 0, half, 2),
      snapshot(2),
    );
    replica.run(write(0, 0, 2 * half, 3));
    replica.run(remove(2));
    place.disk.room = (MERGE_STEP_CHUNKS + 8) * CHUNK_SIZE;
    replica.run(tidy);
    assert.equal(place.disk.stat(chunksOf(2)), undefined);
    replica.check();
  });

  it('and the disk is full tells so, and ends its work when there is room', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), snapshot(2), whole(0, 2), snapshot(3));
    replica.run(remove(2));
    place.disk.room = 0;
    throwsCode('ENOSPC', () => replica.run(tidy));
    replica.check();
    place.disk.room = Infinity;
    for (const step of [whole(0, 3), tidy]) replica.run(step);
    assert.equal(place.disk.stat(chunksOf(2)), undefined);
    replica.check();
  });

  it('of which a chunk is damaged stays, and the older one tells of that chunk alone', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), snapshot(2), whole(0, 2), snapshot(3));
    const file = place.disk.open(chunksOf(2), 'write');
    file.write(Buffer.of(0xff), 2 * 4096 + 100);
    for (const step of [remove(2), tidy, tidy]) replica.run(step);
    assert.notEqual(place.disk.stat(chunksOf(2)), undefined);
    const reader = replica.store.open(hexId(1), 'volume0');
    const chunk = Buffer.alloc(CHUNK_SIZE);
    throwsCode('SNAPSHOT_DAMAGED', () => reader.read(0, chunk));
    reader.read(CHUNK_SIZE, chunk);
    assert.ok(chunk.equals(Buffer.alloc(CHUNK_SIZE, 1)));
    reader.close();
    for (const step of [remove(1), tidy]) replica.run(step);
    assert.deepEqual(
      place.disk.list(STORE_FOLDER).filter((name) => name.endsWith('.chunks')),
      [`${hexId(3)}.chunks`],
    );
    replica.check();
  });

  it('is read by nobody, while an older one is read whose chunks move', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), snapshot(2), whole(0, 2), snapshot(3));
    const reader = replica.store.open(hexId(1), 'volume0');
    const content = Buffer.alloc(SIZES[0]!);
    for (const step of [remove(2), tidy, whole(0, 3)]) {
      replica.run(step);
      reader.read(0, content);
      assert.ok(content.equals(Buffer.alloc(SIZES[0]!, 1)));
    }
    reader.close();
    assert.equal(place.disk.stat(chunksOf(2)), undefined);
  });
});
