import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pieceBits, withCompared, type CompareAnswer } from '../../src/journal/compare-answer.ts';
import {
  COMPARE_DATA_MAX,
  COMPARE_WINDOW_MAX,
  encodeCompare,
  parseCompare,
} from '../../src/journal/compare.ts';
import { lsn } from '../../src/journal/ids.ts';
import { verifyDigest } from '../../src/journal/verify.ts';

const SECTOR = 512;
const digest = verifyDigest(Buffer.alloc(SECTOR, 3));

describe('a compare record', () => {
  it('says what it was made to say', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 128 }),
        fc.nat({ max: COMPARE_WINDOW_MAX - 16 }),
        (count, sectors, first) => {
          const pieceSize = sectors * SECTOR;
          const length = (count - 1) * pieceSize + SECTOR;
          const digests = Array.from({ length: count }, (_, i) => verifyDigest(Buffer.from([i])));
          const payload = { length, window: lsn(2 ** 40), first, pieceSize, digests };
          assert.deepEqual(parseCompare({ payload: encodeCompare(payload) }), payload);
        },
      ),
    );
  });

  it('of too much, of no sector, with a digest too few or too many, or past its window’s end is passed over', () => {
    const good = {
      length: 2 * SECTOR,
      window: lsn(1),
      first: 0,
      pieceSize: SECTOR,
      digests: [digest, digest],
    };
    assert.ok(parseCompare({ payload: encodeCompare(good) }) !== undefined);
    for (const payload of [
      Buffer.alloc(0),
      encodeCompare(good).subarray(0, 50),
      ...[
        { length: 0, digests: [] },
        { length: 700 },
        { pieceSize: 0 },
        { digests: [digest] },
        { digests: [digest, digest, digest] },
        { first: COMPARE_WINDOW_MAX - 1 },
        { length: COMPARE_DATA_MAX + SECTOR, pieceSize: COMPARE_DATA_MAX },
        { length: SECTOR, pieceSize: 2 * COMPARE_DATA_MAX, digests: [digest] },
      ].map((wrong) => encodeCompare({ ...good, ...wrong })),
    ])
      assert.equal(parseCompare({ payload }), undefined);
  });

  it('is answered piece by piece, and a new window forgets the one before', () => {
    const outcomes = fc.option(fc.array(fc.boolean(), { minLength: 1, maxLength: 16 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(outcomes, { maxLength: 20 }), (records) => {
        const window = lsn(5);
        let answer: CompareAnswer | undefined = { window: lsn(4), compared: '/w==', differing: '/w==' };
        let first = 0;
        const expected: (boolean | undefined)[] = [];
        for (const differs of records) {
          answer = withCompared(answer, { window, first }, differs);
          const told = differs ?? [undefined, undefined];
          expected.push(...told);
          first += told.length;
        }
        if (records.length === 0) return;
        const [compared, differing] = [answer.compared, answer.differing].map((text) =>
          pieceBits(text, first),
        );
        const seen = expected.map((_, i) => (compared?.has(i) === true ? differing?.has(i) : undefined));
        assert.deepEqual(seen, expected);
      }),
    );
  });
});
