/** What becomes of verify records on their way: none may tell of anything that the destination does not hold there. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { coalesce } from '../../src/journal/coalesce.ts';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { decodeRecord, encodeRecord, encodeRecordInPlace, RecordKind } from '../../src/journal/record.ts';
import type { JournalRecord } from '../../src/journal/record.ts';
import { planSeal, SEAL_START } from '../../src/journal/seal.ts';
import { openSegment } from '../../src/journal/segment/reader.ts';
import { writeSegment } from '../support/segment-file.ts';
import { encodeVerify, parseVerify, verifyDigest, VERIFY_DATA_MAX } from '../../src/journal/verify.ts';
import { freshDisk } from '../capture/engine.ts';
import { seededRandom } from '../support/random.ts';

const SEED = 77;
const SECTOR = 512;
const SECTORS = 128;
const VOLUME = 0 as VolumeIndex;

const area = fc.record({
  start: fc.integer({ min: 0, max: SECTORS - 1 }),
  count: fc.integer({ min: 1, max: 40 }),
});
const step = fc.record({ kind: fc.constantFrom('write', 'write', 'zero', 'verify'), area });
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A volume that plays what it is told. */
class Played {
  readonly bytes = Buffer.alloc(SECTORS * SECTOR);

  play({ kind, offset, length, payload }: JournalRecord): void {
    if (kind === RecordKind.write) payload.copy(this.bytes, offset);
    if (kind === RecordKind.zero) this.bytes.fill(0, offset, offset + length);
    if (kind !== RecordKind.verify) return;
    const told = parseVerify({ payload });
    assert.ok(told?.digest);
    assert.deepEqual(told.digest, verifyDigest(this.bytes.subarray(offset, offset + told.length)));
  }
}

function recordsOf(steps: readonly Step[]): Buffer[] {
  const played = new Played();
  return steps.map(({ kind, area: { start, count } }, i) => {
    const offset = start * SECTOR;
    const length = Math.min(count, SECTORS - start) * SECTOR;
    const header = {
      kind: RecordKind[kind],
      flags: 0,
      volume: VOLUME,
      lsn: lsn(i + 1),
      offset,
    };
    const payload = { write: Buffer.alloc(length, i + 1), zero: Buffer.alloc(0), verify: Buffer.alloc(0) }[
      kind
    ];
    const digest = verifyDigest(played.bytes.subarray(offset, offset + length));
    const bytes = encodeRecord(
      header,
      kind === 'verify' ? encodeVerify({ length, pass: 1, digest }) : payload,
      SEED,
    );
    if (kind === 'zero') encodeRecordInPlace(bytes, 0, { ...header, length }, SEED);
    played.play(decoded(bytes));
    return bytes;
  });
}

function decoded(bytes: Buffer): JournalRecord {
  const record = decodeRecord(bytes, 0, SEED);
  assert.ok(record);
  return record;
}

const verifies = (records: readonly JournalRecord[]): number =>
  records.filter(({ kind }) => kind === RecordKind.verify).length;

describe('a verify record', () => {
  it('is true where it lies in a sealed segment that drops overwritten data, and none is left out', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const records = recordsOf(steps).map(decoded);
        const header = {
          epoch: { number: epoch(1), id: 'aa'.repeat(16) },
          first: lsn(1),
          seed: SEED,
          clock: 0,
          durable: lsn(0),
        };
        const raw = { header, records, end: 0 };
        const { segment } = planSeal(raw, SEAL_START, { ship: true, dropOverwritten: true });
        const shipped = (segment?.records ?? []).map(decoded);
        const played = new Played();
        for (const record of shipped) played.play(record);
        assert.equal(verifies(shipped), verifies(records));
      }),
    );
  });

  it('that survives coalescing is true where it lies, and goes only if its range was written behind it', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 40 }), fc.nat(), (steps, cut) => {
        const bytes = recordsOf(steps);
        const middle = 1 + (cut % (bytes.length - 1));
        const { disk } = freshDisk();
        const write = (path: string, first: number, records: readonly Buffer[]): void => {
          const facts = {
            group: { name: 'g', id: '12'.repeat(16) },
            epoch: { number: epoch(1), id: '34'.repeat(16) },
            first: lsn(first),
            last: lsn(first + records.length - 1),
            digestBefore: String(first).padStart(64, '0'),
            digestAfter: String(first + records.length).padStart(64, '0'),
            firstTime: 1,
            lastTime: 1,
            overwrittenDropped: false,
            recordSeed: SEED,
          };
          writeSegment(disk, path, facts, records, 0, { ...OPTIONS });
        };
        disk.makeDirectory('/j');
        write('/j/1', 1, bytes.slice(0, middle));
        write('/j/2', middle + 1, bytes.slice(middle));
        const merge = coalesce(disk, { ...OPTIONS, sources: ['/j/1', '/j/2'], target: '/j/merged' });
        let turn = merge.next();
        while (turn.done !== true) turn = merge.next();
        if (turn.value.kind === 'useless') return;
        const reader = openSegment(disk, '/j/merged', undefined);
        const merged = [...reader.frames()].flat();
        reader.close();
        const played = new Played();
        for (const record of merged) played.play(record);
        assert.equal(verifies(merged), lasting(bytes.map(decoded)));
      }),
    );
  });

  it('of more than a step reads, of no sector or of half a digest is passed over', () => {
    const digest = verifyDigest(Buffer.alloc(SECTOR));
    const whole = encodeVerify({ length: SECTOR, pass: 1, digest });
    assert.deepEqual(parseVerify({ payload: whole }), { length: SECTOR, pass: 1, digest });
    for (const payload of [
      whole.subarray(0, 20),
      Buffer.alloc(0),
      encodeVerify({ length: VERIFY_DATA_MAX + SECTOR, pass: 1, digest }),
      encodeVerify({ length: 0, pass: 1, digest }),
      encodeVerify({ length: 100, pass: 1, digest: undefined }),
    ])
      assert.equal(parseVerify({ payload }), undefined);
  });
});

const OPTIONS = { key: undefined, compression: 0, random: seededRandom('verify') };

/** Verify records that nothing behind them contradicts. */
function lasting(records: readonly JournalRecord[]): number {
  return records.filter((record, i) => {
    if (record.kind !== RecordKind.verify) return false;
    const end = record.offset + (parseVerify(record)?.length ?? 0);
    return records
      .slice(i + 1)
      .every(
        ({ kind, offset, length }) =>
          (kind !== RecordKind.write && kind !== RecordKind.zero) ||
          offset >= end ||
          offset + length <= record.offset,
      );
  }).length;
}
