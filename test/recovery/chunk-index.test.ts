import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BLOCK_SIZE } from '../../src/recovery/chunk-format.ts';
import { ChunkIndex, chunkKey, chunkOf, volumeOf, type ChunkKey } from '../../src/recovery/chunk-index.ts';
import { either, NO_GRANULES, without, type Granules } from '../../src/recovery/granules.ts';

const volume = fc.nat(63);
const chunk = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 37 - 1 }));
const granules = fc.integer({ min: 1, max: 0xffff }) as fc.Arbitrary<Granules>;

describe('the chunk index', () => {
  it('keeps every piece that has something new of its chunk, as a map would', () => {
    const entry = fc.tuple(volume, chunk, granules, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4000, size: 'max' }), (entries) => {
        const index = new ChunkIndex();
        const model = new Map<ChunkKey, { all: Granules; pieces: object[] }>();
        for (const [v, c, mask, block, crc] of entries) {
          const key = chunkKey(v, c);
          const data = { kind: 'data' as const, granules: mask, position: block * BLOCK_SIZE, crc };
          const piece = block === 0 ? { kind: 'zeros' as const, granules: mask } : data;
          index.add(key, piece);
          const known = model.get(key) ?? { all: NO_GRANULES, pieces: [] };
          if (without(mask, known.all) !== NO_GRANULES) known.pieces.push(piece);
          model.set(key, { ...known, all: either(known.all, mask) });
          assert.equal(volumeOf(key), v);
          assert.equal(chunkOf(key), c);
        }
        const pieces = [...model.values()].reduce((sum, known) => sum + known.pieces.length, 0);
        assert.equal(index.count, pieces);
        assert.deepEqual(
          [...index.keys()],
          [...model.keys()].sort((a, b) => a - b),
        );
        for (const [key, known] of model) {
          assert.equal(index.granules(key), known.all);
          // In whatever order: a table that has grown knows of none.
          assert.deepEqual(new Set(index.pieces(key)), new Set(known.pieces));
        }
      }),
      { numRuns: 50 },
    );
  });
});
