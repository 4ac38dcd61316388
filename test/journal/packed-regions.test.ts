import assert from 'node:assert/strict';
import fc from 'fast-check';
import { packRegions, unpackRegions } from '../../src/journal/packed-regions.ts';
import { RegionBits, regionCount } from '../../src/journal/region-bits.ts';

const KIB = 1024;

describe('the regions that a status file names', () => {
  it('are those that were packed, whole, and no longer than the volume', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4000 }),
        fc.array(fc.nat(3999), { maxLength: 50 }),
        (regions, marked) => {
          const size = regions * 64 * KIB - 512;
          const bits = new RegionBits(new Uint8Array(Math.ceil(regions / 8)), regions);
          for (const region of marked) if (region < regions) bits.set(region, true);
          const [packed] = packRegions([{ index: 3, regionSize: 64 * KIB, bits: bits.bytes }]);
          assert.ok(packed !== undefined);
          const named = new RegionBits(new Uint8Array(Math.ceil(regions / 8)), regions);
          for (const { index, start, end } of unpackRegions(packed, size)) {
            assert.equal(index, 3);
            assert.ok(start < end && end <= size);
            for (let at = start; at < end; at += 64 * KIB) named.set(at / (64 * KIB), true);
          }
          assert.deepEqual(named.bytes, bits.bytes);
        },
      ),
    );
  });

  it('are coarser where there are too many, and then too much, never too little', () => {
    const regions = 40_000_000;
    const bits = new RegionBits(new Uint8Array(regions / 8), regions);
    for (let region = 5; region < regions; region += 1_000_003) bits.set(region, true);
    const size = regions * 64 * KIB;
    const [packed] = packRegions([{ index: 0, regionSize: 64 * KIB, bits: bits.bytes }]);
    assert.ok(packed !== undefined && packed.regionSize > 64 * KIB);
    const named = unpackRegions(packed, size);
    for (let region = 5; region < regions; region += 1_000_003) {
      const at = region * 64 * KIB;
      assert.ok(named.some(({ start, end }) => start <= at && at + 64 * KIB <= end));
    }
    const bytes = named.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(bytes <= 40 * packed.regionSize);
  });

  it('are all of a volume whose size is not what the bits are of', () => {
    const [packed] = packRegions([{ index: 0, regionSize: 64 * KIB, bits: new Uint8Array(1) }]);
    assert.ok(packed !== undefined);
    const size = regionCount(9 * 64 * KIB, 64 * KIB) * 64 * KIB;
    assert.deepEqual(unpackRegions(packed, size), [{ index: 0, start: 0, end: size }]);
  });
});
