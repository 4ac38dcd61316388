import assert from 'node:assert/strict';
import { ChangeMap } from '../../../src/capture/change-map.ts';
import { markDiverged } from '../../../src/daemon/source-back/diverged.ts';
import { epoch, lsn } from '../../../src/journal/ids.ts';
import { SEAL_START } from '../../../src/journal/seal.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';

const EPOCH = { number: epoch(1), id: '1'.repeat(32) };
const DIGEST = 'ab'.repeat(32);
const FORK = { epoch: EPOCH, lsn: lsn(50), digest: DIGEST, time: 1000 };

describe('a source that the other side took over from', () => {
  function mark(
    last: number,
    change: Partial<typeof FORK> = {},
    digest = DIGEST,
    began?: typeof FORK,
  ): unknown {
    const disk = new MemoryDisk({ clones: false });
    disk.makeDirectory('/g/journal');
    const map = ChangeMap.open(disk, '/g', []);
    const at = { shipped: lsn(last), digested: lsn(last), applied: lsn(last), shippedDigest: digest };
    const checkpoint = { ...SEAL_START, ...at };
    return markDiverged(
      disk,
      map,
      { fork: { ...FORK, ...change }, began },
      { folder: '/g', key: undefined, epoch: EPOCH, volumes: [], checkpoint },
    );
  }

  it('has nothing of its own where both histories end', () => {
    assert.deepEqual(mark(50), { writes: 0, bytes: 0, volumes: [], from: undefined, to: undefined });
  });

  it('does not follow where it has less than it sent, another history, or served in another epoch (I3)', () => {
    for (const wrong of [
      () => mark(49),
      () => mark(50, {}, 'cd'.repeat(32)),
      () => mark(60, { epoch: { number: epoch(1), id: '2'.repeat(32) } }),
    ])
      assert.throws(wrong, { code: 'HISTORIES_DIFFER' });
  });

  it('has all of its own epoch behind the point at which that began, where the side that it took over from goes on there', () => {
    const began = { ...FORK, epoch: { number: epoch(1), id: '3'.repeat(32) } };
    assert.doesNotThrow(() => mark(60, { epoch: began.epoch }, DIGEST, began));
    assert.throws(() => mark(60, { epoch: began.epoch }, DIGEST, { ...began, lsn: lsn(49) }), {
      code: 'HISTORIES_DIFFER',
    });
  });
});
