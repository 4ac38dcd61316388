import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CHUNK_SIZE, GRANULE_SIZE } from '../../src/recovery/granules.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { memoryPlace, STORE_FOLDER, type MemoryPlace } from './memory-place.ts';
import {
  hexId,
  quiet,
  replicaAfter,
  snapshot,
  throwsCode,
  write,
  type Replica,
  type Step,
} from './replica.ts';

const SIZES = [8 * CHUNK_SIZE + 1536, 4 * CHUNK_SIZE];
/** Even, unlike fast-check's own: in [0, 1). */
const fraction = fc.nat(999_999).map((n) => n / 1_000_000);

const chunksOf = (id: number): string => `${STORE_FOLDER}/${hexId(id)}.chunks`;

const whole = (volume: number, fill: number): Step => write(volume, 0, SIZES[volume]!, fill);

function flipBit(place: MemoryPlace, path: string, bit: number): void {
  const file = place.disk.open(path, 'write');
  const byte = Buffer.alloc(1);
  const position = Math.floor(bit / 8);
  file.read(byte, position);
  byte[0]! ^= 1 << (bit % 8);
  file.write(byte, position);
  file.syncNow();
}

describe('the copy-on-write store, when what it kept is damaged', () => {
  it('never reads wrong data from a file with a flipped bit: the same as ever, or SNAPSHOT_DAMAGED', () => {
    const steps = [
      whole(0, 1),
      whole(1, 2),
      snapshot(1),
      write(0, 0, 70_000 - (70_000 % 512), 3),
      write(1, 0, 512, 4),
    ];
    steps.push(snapshot(2), write(0, 0, 512, 5), write(0, 8 * CHUNK_SIZE, 512, 6));
    let damaged = 0;
    fc.assert(
      fc.property(fc.constantFrom(1, 2), fraction, (id, at) => {
        const place = memoryPlace(SIZES);
        const replica = replicaAfter(place, ...steps);
        flipBit(place, chunksOf(id), Math.floor(at * place.disk.stat(chunksOf(id))!.size * 8));
        damaged += damagedSnapshots(replica);
        replica.restart();
        damaged += damagedSnapshots(replica);
        // From the next snapshot on all is well again.
        for (const step of [snapshot(3), write(0, 0, 512, 8), write(1, 0, 512, 9)]) replica.run(step);
        replica.assertSnapshot(hexId(3), 0, replica.snapshots.get(hexId(3))![0]!);
      }),
      { numRuns: 300 },
    );
    assert.ok(damaged > 200, `${damaged} times found damaged`);
  });

  it('finds every flipped bit of a header, in the first run, a later one and the last', () => {
    const steps = [
      whole(0, 1),
      snapshot(1),
      write(0, 0, 512, 2),
      write(0, CHUNK_SIZE, 512, 2),
      write(0, 2 * CHUNK_SIZE, 512, 2),
    ];
    const run1 = 4096;
    const stride = 4096 + GRANULE_SIZE;
    for (const header of [0, run1, run1 + stride, run1 + 2 * stride]) {
      for (let bit = header * 8; bit < (header + 32) * 8; bit += 5) {
        const place = memoryPlace(SIZES);
        const replica = replicaAfter(place, ...steps);
        replica.store.close();
        flipBit(place, chunksOf(1), bit);
        replica.restart();
        assert.equal(damagedSnapshots(replica), 1, `bit ${bit}`);
      }
    }
  });

  it('remembers that the newest snapshot was damaged, even when its file is whole again', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 0, 512, 2));
    replica.store.close();
    place.disk.rename(chunksOf(1), '/images/saved');
    replica.restart();
    replica.run(write(0, CHUNK_SIZE, 512, 3));
    place.disk.rename('/images/saved', chunksOf(1));
    replica.restart();
    throwsCode('SNAPSHOT_DAMAGED', () => replica.check());
    replica.snapshots.clear();
    replica.run(snapshot(2));
    replica.run(write(0, 0, 1024, 4));
    replica.assertSnapshot(hexId(2), 0, replica.snapshots.get(hexId(2))![0]!);
  });

  it('cuts the torn end of an append that never returned, and goes on', () => {
    const place = memoryPlace(SIZES);
    const replica = replicaAfter(place, whole(0, 1), snapshot(1), write(0, 0, 512, 2));
    const size = place.disk.stat(chunksOf(1))!.size;
    replica.store.preserve([{ volume: 'volume0', offset: CHUNK_SIZE, length: 512 }]);
    replica.store.close();
    const file = place.disk.open(chunksOf(1), 'write');
    file.truncate(place.disk.stat(chunksOf(1))!.size - 4096 - 30_000);
    file.syncNow();
    replica.restart();
    replica.check();
    assert.ok(place.disk.stat(chunksOf(1))!.size <= size);
    replica.run(write(0, CHUNK_SIZE, 512, 3));
    replica.check();
  });

  it('does not trust a snapshot across one during which its volume was not in the group', () => {
    const place = memoryPlace(SIZES);
    replicaAfter(place, whole(0, 1), snapshot(1)).store.close();
    replicaAfter({ ...place, volumes: place.volumes.slice(1) }, snapshot(2)).store.close();
    const store = openSnapshotStore(place.files, quiet, place);
    const reader = store.open(hexId(1), 'volume0');
    throwsCode('SNAPSHOT_DAMAGED', () => reader.read(0, Buffer.alloc(512)));
  });
});

/** How many snapshots say that they are damaged; the others are right. */
function damagedSnapshots(replica: Replica): number {
  let damaged = 0;
  for (const [id, contents] of replica.snapshots) {
    try {
      contents.forEach((expected, number) => replica.assertSnapshot(id, number, expected));
    } catch (error) {
      throwsCode('SNAPSHOT_DAMAGED', () => {
        throw error;
      });
      damaged += 1;
    }
  }
  return damaged;
}
