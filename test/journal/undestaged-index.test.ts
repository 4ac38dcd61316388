import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UndestagedIndex } from '../../src/journal/undestaged-index.ts';

const SIZE = 5 * 1024 * 1024;
const SECTOR = 512;
const sectors = SIZE / SECTOR;

// Across leaves; and small ones, many to a leaf, some of them the same range again.
const long = fc.tuple(fc.integer({ min: 0, max: sectors - 1 }), fc.integer({ min: 1, max: 3000 }));
const short = fc.tuple(fc.integer({ min: 400, max: 520 }), fc.integer({ min: 1, max: 12 }));
const range = fc
  .oneof({ weight: 1, arbitrary: long }, { weight: 3, arbitrary: short })
  .map(([start, count]) => ({ offset: start * SECTOR, length: Math.min(count, sectors - start) * SECTOR }));

/** Every other sector of the range is written on its own, which fills leaves. */
const scattered = fc
  .integer({ min: 0, max: sectors - 1500 })
  .map((start) => ({ offset: start * SECTOR, length: 1500 * SECTOR }));

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), range }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('zero' as const), range }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scattered' as const), range: scattered }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
);

/** Many times as fast as `assert.equal`, for each sector. */
function equal(actual: number | object | undefined, expected: number | undefined): void {
  if (actual !== expected) assert.deepEqual(actual, expected);
}

describe('the undestaged index', () => {
  it('answers every read as an array of sectors would (I2: reads see acknowledged writes)', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), range, (steps, some) => {
        const index = new UndestagedIndex();
        // The model: for each sector where its newest content lies.
        const model: ({ generation: number; position: number } | undefined)[] = new Array<undefined>(
          sectors,
        ).fill(undefined);
        let generation = 1;
        let dropped = 0;
        let position = 64;
        for (const action of steps) {
          if (action.kind === 'roll') generation += 1;
          else if (action.kind === 'drop') {
            if (dropped + 1 >= generation) continue;
            dropped += 1;
            index.drop(dropped);
            model.forEach((at, sector) => {
              if (at !== undefined && at.generation <= dropped) model[sector] = undefined;
            });
          } else {
            const { offset, length } = action.range;
            const every = action.kind === 'scattered' ? 2 * SECTOR : length;
            const size = action.kind === 'scattered' ? SECTOR : length;
            for (let from = offset; from < offset + length; from += every) {
              if (action.kind === 'zero') index.addZero(from, size, generation);
              else index.addWrite(from, size, generation, position);
              for (let at = 0; at < size; at += SECTOR) {
                model[(from + at) / SECTOR] = {
                  generation,
                  position: action.kind === 'zero' ? -1 : position + at,
                };
              }
              position += size + 28;
            }
          }
        }
        for (const read of [some, { offset: 0, length: SIZE }]) {
          let expected = read.offset;
          for (const piece of index.lookup(read.offset, read.length)) {
            assert.equal(piece.start, expected, 'pieces leave no gap');
            assert.ok(piece.end > piece.start);
            for (let at = piece.start; at < piece.end; at += SECTOR) {
              const want = model[at / SECTOR];
              if (piece.kind === 'volume') equal(want, undefined);
              else if (piece.kind === 'zero') equal(want?.position, -1);
              else {
                equal(want?.generation, piece.generation);
                equal(want?.position, piece.position + (at - piece.start));
              }
            }
            expected = piece.end;
          }
          equal(expected, read.offset + read.length);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('knows the end of a large raw segment, and one of an earlier run', () => {
    const index = new UndestagedIndex();
    const [generation, position] = [-1_000_000, 68 * 1024 * 1024 - 8192];
    index.addWrite(2 ** 53 - 8192, 8191, generation, position);
    const piece = index.pieceAt(2 ** 53 - 4096, 2 ** 53 - 1);
    const expected = { kind: 'journal', generation, position: position + 4096 };
    assert.deepEqual(piece, { ...expected, start: 2 ** 53 - 4096, end: 2 ** 53 - 1 });
  });

  it('holds nothing once every generation is dropped', () => {
    const index = new UndestagedIndex();
    for (let i = 0; i < 1000; i += 1) index.addWrite(((i * 7919) % 4096) * 4096, 8192, 1 + (i % 3), i * 9000);
    assert.ok(index.extents > 0);
    index.drop(3);
    assert.equal(index.extents, 0);
    assert.deepEqual([...index.lookup(0, 4096)], [{ kind: 'volume', start: 0, end: 4096 }]);
  });
});
