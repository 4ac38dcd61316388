import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { VolumeIndex } from '../../src/journal/ids.ts';
import type { ChangedRanges } from '../../src/recovery/snapshot-store.ts';
import { Difference, type ComparedVolume } from '../../src/recovery/difference.ts';

const KIB = 1024;
/** Of each range: how many blocks of 4 KiB, what they are filled with, and whether zeros are a hole. */
type Ranges = readonly { readonly blocks: number; readonly fill: number; readonly hole: boolean }[];

function contentOf(ranges: Ranges): Buffer {
  return Buffer.concat(ranges.map(({ blocks, fill }) => Buffer.alloc(blocks * 4 * KIB, fill)));
}

/** From where on there is no hole, and to where. */
function dataFrom(ranges: Ranges, from: number): { start: number; end: number } | undefined {
  let at = 0;
  for (const { blocks, fill, hole } of ranges) {
    const end = at + blocks * 4 * KIB;
    if (end > from && !(fill === 0 && hole)) return { start: Math.max(at, from), end };
    at = end;
  }
  return undefined;
}

function compared(
  index: number,
  now: Ranges,
  then: Ranges,
  knowsChanges: boolean,
): ComparedVolume & { readonly live: Buffer } {
  const [live, past] = [contentOf(now), contentOf(then)];
  return {
    index: index as VolumeIndex,
    size: live.length,
    live,
    look: (act) =>
      act({
        read: (into, offset) => void live.copy(into, 0, offset, offset + into.length),
        nextData: (offset) => dataFrom(now, offset),
      }),
    past: {
      size: past.length,
      read: (offset, into) => void past.copy(into, 0, offset, offset + into.length),
      extents(offset, length, list) {
        const end = Math.min(past.length, offset + length);
        const data = dataFrom(then, offset);
        const start = Math.min(end, data?.start ?? end);
        if (start > offset) list.add(start - offset, 'hole');
        if (data !== undefined && data.end > start) list.add(Math.min(end, data.end) - start, 'data');
      },
      ...(knowsChanges && { changed: (offset: number) => changedOf(live, past, offset) }),
      close: () => undefined,
    },
  };
}

/** By pieces of 64 KiB, half a MiB at a time. */
function changedOf(live: Buffer, past: Buffer, offset: number): ChangedRanges {
  const stop = Math.min(past.length, offset + 512 * KIB);
  const found: { start: number; end: number }[] = [];
  for (let start = offset; start < stop; start += 64 * KIB) {
    const end = Math.min(stop, start + 64 * KIB);
    if (!live.subarray(start, end).equals(past.subarray(start, end))) found.push({ start, end });
  }
  return { ranges: found, end: stop };
}

const ranges = fc.array(
  fc.record({
    blocks: fc.integer({ min: 1, max: 200 }),
    fill: fc.constantFrom(0, 0, 1, 2),
    hole: fc.boolean(),
  }),
  { maxLength: 8 },
);

describe('what a recovery point holds that a volume does not', () => {
  it('makes the volume what it was then, where written over it; where they are the same there is nothing', () => {
    fc.assert(
      fc.property(ranges, ranges, ranges, fc.boolean(), (now, then, other, knowsChanges) => {
        const volumes = [compared(0, now, then, knowsChanges), compared(1, other, other, knowsChanges)];
        const difference = new Difference(volumes);
        let step;
        do {
          step = difference.step();
          for (const { volume, offset, length, data } of step.pieces) {
            assert.equal(volume, 0, 'the other one is the same');
            const before = volumes[0]?.live.subarray(offset, offset + length) ?? Buffer.alloc(0);
            const wanted = data ?? Buffer.alloc(length);
            for (let at = 0; at < length; at += 4 * KIB)
              assert.ok(!before.subarray(at, at + 4 * KIB).equals(wanted.subarray(at, at + 4 * KIB)));
            before.set(wanted);
          }
        } while (!step.isLast);
        const live = volumes[0]?.live ?? Buffer.alloc(0);
        const wanted = Buffer.alloc(live.length);
        contentOf(then).copy(wanted);
        assert.ok(live.equals(wanted));
        assert.equal(step.done, step.total);
      }),
      { numRuns: 60 },
    );
  });
});
