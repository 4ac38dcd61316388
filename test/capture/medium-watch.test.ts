import assert from 'node:assert/strict';
import { MEDIUM_CHANGES_MAX } from '../../src/capture/medium-changes.ts';
import { MediumWatch } from '../../src/capture/medium-watch.ts';
import { LSN_MAX, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { encodeVerify, verifyDigest, VERIFY_DATA_MAX } from '../../src/journal/verify.ts';
import type { Files } from '../../src/platform/files.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, systemError, TamperedFiles } from '../support/tampered-files.ts';

const MIB = VERIFY_DATA_MAX;
const FOLDER = '/group';
const VOLUMES = [
  { index: 0 as VolumeIndex, name: 'a', size: 300 * MIB },
  { index: 1 as VolumeIndex, name: 'b', size: 2 * MIB + 512 },
];

function freshDisk(): MemoryDisk {
  const disk = new MemoryDisk({ clones: false });
  disk.makeDirectory(FOLDER);
  disk.syncDirectory('/');
  return disk;
}

function opened(files: Files): MediumWatch {
  const watch = new MediumWatch(files, FOLDER, VOLUMES);
  watch.open();
  return watch;
}

const EMPTY = Buffer.alloc(0);

function record(at: number, fields: Partial<JournalRecord>): JournalRecord {
  const { kind = RecordKind.write, payload = EMPTY } = fields;
  return {
    kind,
    flags: 0,
    volume: 0 as VolumeIndex,
    offset: 0,
    length: payload.length,
    payload,
    ...fields,
    lsn: lsn(at),
  };
}

/** What a piece holds, as a word. */
const says = (at: number, word: string, offset = 0, volume = 0): JournalRecord => {
  const length = Math.min(MIB, VOLUMES[volume]!.size - offset);
  const payload = encodeVerify({ length, pass: 1, digest: verifyDigest(Buffer.from(word)) });
  return record(at, { kind: RecordKind.verify, volume: volume as VolumeIndex, offset, payload });
};
const wrote = (at: number, offset: number, flags = 0): JournalRecord =>
  record(at, { kind: RecordKind.write, offset, length: 512, flags });

describe('a watch over a source’s own medium', () => {
  it('tells a piece that holds something else though nobody wrote there, and since when', () => {
    const watch = opened(freshDisk());
    watch.apply([says(1, 'as written'), says(2, 'other', MIB)]);
    watch.apply([wrote(3, MIB + 512), says(4, 'as written'), says(5, 'new', MIB)]);
    assert.deepEqual(watch.report, { changes: [], trouble: undefined });
    assert.deepEqual(watch.known({ volume: 0 as VolumeIndex, offset: 0, length: MIB }), {
      first: 1,
      newest: 4,
    });
    watch.apply([says(6, 'rotten'), says(7, 'new', MIB)]);
    const digest = verifyDigest(Buffer.from('as written')).toString('hex');
    const change = { volume: 0, offset: 0, length: MIB, lsn: 6, knownLsn: 4, digest };
    assert.deepEqual(watch.report.changes, [change]);
    watch.apply([says(8, 'rotten')]);
    assert.deepEqual(watch.report.changes, [change], 'it is told once');
  });

  it('does not take a copy of a volume for a write to it, and a hole for zeros', () => {
    const watch = opened(freshDisk());
    const zeros = encodeVerify({ length: MIB, pass: 1, digest: verifyDigest(Buffer.alloc(MIB)) });
    const hole = encodeVerify({ length: 200 * MIB, pass: 2, digest: undefined });
    const verify = (at: number, payload: Buffer): JournalRecord =>
      record(at, { kind: RecordKind.verify, payload });
    watch.apply([verify(1, zeros), says(2, 'data', 150 * MIB), says(3, 'end', 2 * MIB, 1)]);
    watch.apply([verify(4, hole)]);
    assert.deepEqual(
      watch.report.changes.map(({ offset }) => offset / MIB),
      [150],
    );
    watch.apply([wrote(5, 2 * MIB, RecordFlag.fromVolume), says(6, 'END', 2 * MIB, 1)]);
    assert.deepEqual(
      watch.report.changes.map(({ volume, length }) => [volume, length]),
      [
        [0, MIB],
        [1, 512],
      ],
    );
  });

  it('is content again when a piece holds what it did, or when it is told that it is right', () => {
    const disk = freshDisk();
    const watch = opened(disk);
    watch.apply([says(1, 'one'), says(2, 'two', MIB)]);
    watch.apply([says(3, 'eins'), says(4, 'zwei', MIB)]);
    watch.apply([wrote(5, 0), says(6, 'one')]);
    assert.deepEqual(
      watch.report.changes.map(({ offset }) => offset),
      [MIB],
    );
    assert.deepEqual(opened(disk).report.changes, watch.report.changes);
    watch.accept(LSN_MAX);
    assert.deepEqual(opened(disk).report.changes, []);
    watch.apply([says(7, 'one'), says(8, 'zwei', MIB)]);
    assert.deepEqual(watch.report.changes, []);
  });

  it('remembers so many changes, and finds the others when there is room', () => {
    const watch = opened(freshDisk());
    const all = Array.from({ length: MEDIUM_CHANGES_MAX + 2 }, (_, i) => i * MIB);
    watch.apply(all.map((offset, i) => says(1 + i, 'right', offset)));
    watch.apply(all.map((offset, i) => says(1001 + i, 'wrong', offset)));
    assert.equal(watch.report.changes.length, MEDIUM_CHANGES_MAX);
    watch.accept(LSN_MAX);
    watch.apply(all.map((offset, i) => says(2001 + i, 'wrong', offset)));
    assert.equal(watch.report.changes.length, 2);
  });

  for (const lost of [true, false]) {
    it(`calls exactly what changed changed, after it died at any call ${lost ? 'with the power' : 'alone'} (I6)`, () => {
      const raws = [
        [says(1, 'a'), says(2, 'b', MIB), says(3, 'c', 140 * MIB)],
        [wrote(4, 512), says(5, 'A'), wrote(6, MIB), says(7, 'c', 140 * MIB)],
        [
          says(8, 'B', MIB),
          says(9, 'C', 140 * MIB),
          wrote(10, 140 * MIB),
          says(11, 'x', 140 * MIB),
          wrote(12, 0),
        ],
        [says(13, 'AA'), says(14, 'B', MIB), says(15, 'x', 140 * MIB)],
        [wrote(16, MIB), says(17, 'rot'), says(18, 'BB', MIB), says(19, 'c', 140 * MIB)],
      ];
      const random = seededRandom(`medium ${lost}`);
      let n = 1;
      for (let dead = true; dead; n += 1) {
        const disk = freshDisk();
        const files = new TamperedFiles(disk);
        files.dieAt(n, n % 2 === 0 ? 'before' : 'after');
        let applied = 0;
        try {
          const watch = opened(files);
          for (const raw of raws) {
            watch.apply(raw);
            applied += 1;
          }
          dead = false;
        } catch (error) {
          assert.ok(error instanceof Crash, String(error));
        }
        if (lost) disk.cutPower(() => random.fraction() < 0.5);
        let watch = opened(disk);
        for (const raw of raws.slice(applied)) {
          watch.apply(raw);
          // What a killed process left in memory alone must not come back from the medium.
          disk.cutPower(() => false);
          watch = opened(disk);
        }
        assert.deepEqual(
          watch.report.changes.map(({ offset, lsn: at }) => [offset / MIB, at]),
          [[0, 17]],
          `call ${n}`,
        );
      }
      assert.ok(n > 20, `${n} calls were tried`);
    });
  }

  it('lets no write wait for it: what it cannot keep it forgets, and says why', () => {
    const disk = freshDisk();
    const files = new TamperedFiles(disk);
    const watch = opened(files);
    files.fault = ({ path }) =>
      path.includes('digests.new') ? { when: 'before', error: systemError('ENOSPC') } : undefined;
    watch.apply([says(1, 'a')]);
    assert.match(watch.report.trouble ?? '', /ENOSPC/);
    files.fault = () => undefined;
    watch.apply([says(2, 'a')]);
    files.fault = ({ kind, path }) =>
      kind === 'sync' && path.endsWith('digests') ? { when: 'before', error: systemError('EIO') } : undefined;
    watch.apply([wrote(3, 0)]);
    assert.match(watch.report.trouble ?? '', /EIO/);
    files.fault = () => undefined;
    disk.cutPower(() => false);
    const after = opened(disk);
    after.apply([says(4, 'b')]);
    assert.deepEqual(after.report, { changes: [], trouble: undefined });
  });
});
