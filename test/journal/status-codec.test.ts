import { COMPARE_WINDOW_MAX } from '../../src/journal/compare.ts';
import assert from 'node:assert/strict';
import { epoch, lsn, LSN_MAX, type VolumeIndex } from '../../src/journal/ids.ts';
import { decodeStatus, encodeStatus } from '../../src/journal/status-codec.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import { DIFFERING_MAX, type DifferingRange } from '../../src/journal/verification.ts';
import { resultOrRefusal } from '../fuzz/targets/expect.ts';
import { seededRandom } from '../support/random.ts';

/** What takes most room in JSON: six bytes for a character. */
const WORST = '\u0001';
const range = { first: lsn(LSN_MAX - 1), last: LSN_MAX };

const ALL_PIECES = Buffer.alloc(COMPARE_WINDOW_MAX / 8, 0xff).toString('base64');
const longest: DestinationStatus = {
  version: 3,
  groupId: 'f'.repeat(32),
  sequence: LSN_MAX,
  writtenAt: LSN_MAX,
  role: 'destination',
  epoch: { number: epoch(0xffff_ffff), id: 'f'.repeat(32) },
  received: LSN_MAX,
  applied: LSN_MAX,
  appliedTime: LSN_MAX,
  missing: new Array<typeof range>(1000).fill(range),
  refused: new Array<DestinationStatus['refused'][number]>(100).fill({
    ...range,
    epoch: epoch(0xffff_ffff),
    reason: WORST.repeat(1000),
    at: LSN_MAX,
  }),
  full: false,
  consistent: false,
  waiting: { code: WORST.repeat(64), message: WORST.repeat(1000), since: LSN_MAX, endsAt: LSN_MAX },
  verification: {
    pass: LSN_MAX,
    comparedBytes: LSN_MAX,
    skippedBytes: LSN_MAX,
    differed: LSN_MAX,
    differing: new Array<DifferingRange>(DIFFERING_MAX).fill({
      volume: 63 as VolumeIndex,
      offset: LSN_MAX,
      length: LSN_MAX,
      lsn: LSN_MAX,
    }),
    found: LSN_MAX,
    mended: LSN_MAX,
    fromMedium: false,
  },
  comparison: { window: LSN_MAX, compared: ALL_PIECES, differing: ALL_PIECES },
};

const REFUSALS = ['STATUS_DAMAGED', 'STATUS_FORGED'];
const NOTHING_MORE = { waiting: undefined, verification: undefined, comparison: undefined };

describe('a status file', () => {
  for (const [kind, key] of [
    ['sealed', Buffer.alloc(32, 1)],
    ['plain', undefined],
  ] as const) {
    it(`that is as long as it can get is read by the source: ${kind}`, () => {
      const bytes = encodeStatus(longest, key, 'oracle', seededRandom('status'));
      assert.deepEqual(decodeStatus(bytes, key, 'oracle'), longest);
    });

    it(`with any of its bits changed is refused, or says the same: ${kind}`, () => {
      const status = { ...longest, missing: [range], refused: [], ...NOTHING_MORE };
      const bytes = encodeStatus(status, key, 'oracle', seededRandom('status'));
      const said = decodeStatus(bytes, key, 'oracle');
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const read = resultOrRefusal(() => decodeStatus(changed, key, 'oracle'), REFUSALS);
        assert.deepEqual(read ?? said, said, `bit ${bit}`);
      }
    });
  }
});

describe('a status file that is none', () => {
  it('is refused in few words, and before its entries are looked at, however many there are', () => {
    const none = { ...longest, refused: [], missing: new Array(400_000).fill(1) } as DestinationStatus;
    const bytes = encodeStatus(none, undefined, 'oracle', seededRandom('status'));
    assert.throws(
      () => decodeStatus(bytes, undefined, 'oracle'),
      (error: Error) => error.message.length < 1000 && error.message.includes('no list of at most 1000'),
    );
  });
});
