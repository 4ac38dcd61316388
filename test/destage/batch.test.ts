import assert from 'node:assert/strict';
import { Batch } from '../../src/destage/batch.ts';

const MIB = 1024 * 1024;

/** How many segments of so many bytes, each of which takes so many milliseconds, share a checkpoint. */
function together(bytes: number, milliseconds: number): number {
  let now = 5000;
  const batch = new Batch({ monotonic: () => now });
  while (!batch.isFull) {
    batch.add(bytes);
    now += milliseconds;
  }
  return batch.count;
}

describe('segments that share a checkpoint', () => {
  it('are sixteen, or 128 MiB, at most', () => {
    assert.equal(together(1000, 0), 16);
    assert.equal(together(32 * MIB, 0), 4);
  });

  it('are those that were begun within a second, and one at least', () => {
    assert.equal(together(MIB, 300), 4);
    assert.equal(together(MIB, 60_000), 1);
  });
});
