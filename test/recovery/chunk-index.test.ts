import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BLOCK_SIZE } from '../../src/recovery/chunk-format.ts';
import { ChunkIndex, chunkKey, chunkOf, volumeOf } from '../../src/recovery/chunk-index.ts';

const volume = fc.nat(63);
const chunk = fc.oneof(fc.nat(3000), fc.integer({ min: 0, max: 2 ** 37 - 1 }));

describe('the chunk index', () => {
  it('keeps the first entry of every key, as a map would', () => {
    const entry = fc.tuple(volume, chunk, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4000, size: 'max' }), (entries) => {
        const index = new ChunkIndex();
        const model = new Map<number, object>();
        for (const [v, c, block, crc] of entries) {
          const key = chunkKey(v, c);
          const value =
            block === 0
              ? { kind: 'zeros' as const }
              : { kind: 'data' as const, position: block * BLOCK_SIZE, crc };
          index.add(key, value);
          if (!model.has(key)) model.set(key, value);
          assert.equal(volumeOf(key), v);
          assert.equal(chunkOf(key), c);
        }
        assert.equal(index.count, model.size);
        for (const [v, c] of entries) {
          assert.deepEqual(index.find(chunkKey(v, c)), model.get(chunkKey(v, c)));
          assert.equal(index.has(chunkKey(v, c + 1)), model.has(chunkKey(v, c + 1)));
        }
      }),
      { numRuns: 50 },
    );
  });
});
