import assert from 'node:assert/strict';
import fc from 'fast-check';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import type { LoadedRaw } from '../../src/journal/raw-segment.ts';
import {
  decodeRecord,
  encodeRecord,
  encodeRecordInPlace,
  RecordFlag,
  RecordKind,
  type JournalRecord,
} from '../../src/journal/record.ts';
import { isShippedWhole, planSeal, SEAL_START } from '../../src/journal/seal.ts';

const SEED = 99;
const SIZE = 512 * 1024;
const SECTOR = 512;

interface Step {
  readonly kind: 'write' | 'zero';
  readonly volume: number;
  readonly start: number;
  readonly count: number;
  readonly fill: number;
  readonly zeros: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write' as const, 'write' as const, 'zero' as const),
  volume: fc.integer({ min: 0, max: 1 }),
  start: fc.integer({ min: 0, max: SIZE / SECTOR - 1 }),
  count: fc.integer({ min: 1, max: 300 }),
  fill: fc.integer({ min: 0, max: 3 }),
  zeros: fc.boolean(),
});

function record(
  kind: RecordKind,
  at: number,
  volume: number,
  offset: number,
  payload: Buffer,
  length?: number,
): JournalRecord {
  const header = { kind, flags: 0, volume: volume as VolumeIndex, lsn: lsn(at), offset };
  const bytes = encodeRecord(header, payload, SEED);
  if (length !== undefined) encodeRecordInPlace(bytes, 0, { ...header, length }, SEED);
  const decoded = decodeRecord(bytes, 0, SEED);
  assert.ok(decoded);
  return decoded;
}

function rawOf(steps: readonly Step[], first = 1): LoadedRaw {
  const records = steps.map((item, i) => {
    const count = Math.min(item.count, SIZE / SECTOR - item.start);
    const length = count * SECTOR;
    if (item.kind === 'zero')
      return record(RecordKind.zero, first + i, item.volume, item.start * SECTOR, Buffer.alloc(0), length);
    const payload = Buffer.alloc(length, item.fill);
    if (item.zeros) payload.fill(0, Math.floor(length / 4), Math.floor((length * 3) / 4));
    return record(RecordKind.write, first + i, item.volume, item.start * SECTOR, payload);
  });
  const header = {
    epoch: { number: epoch(1), id: 'aa'.repeat(16) },
    first: lsn(first),
    seed: SEED,
    clock: 0,
    durable: lsn(0),
  };
  return { header, records, end: 0 };
}

function materialise(records: readonly JournalRecord[]): Buffer[] {
  const volumes = [Buffer.alloc(SIZE, 0xee), Buffer.alloc(SIZE, 0xee)];
  for (const item of records) {
    const target = volumes[item.volume];
    if (item.kind === RecordKind.write) item.payload.copy(target!, item.offset);
    else if (item.kind === RecordKind.zero) target!.fill(0, item.offset, item.offset + item.length);
  }
  return volumes;
}

const decoded = (records: readonly Buffer[]): JournalRecord[] =>
  records.map((bytes) => {
    const item = decodeRecord(bytes, 0, SEED);
    assert.ok(item, 'every shipped record has a valid checksum');
    return item;
  });

describe('sealing', () => {
  for (const dropOverwritten of [false, true]) {
    it(`ships what gives the same volumes as the raw records (overwritten ${dropOverwritten ? 'dropped' : 'kept'})`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
          const raw = rawOf(steps);
          const { segment, position } = planSeal(raw, SEAL_START, { ship: true, dropOverwritten });
          assert.ok(segment);
          assert.deepEqual(materialise(decoded(segment.records)), materialise(raw.records));
          assert.equal(segment.first, 1);
          assert.equal(segment.last, steps.length);
          assert.equal(position.shipped, segment.last);
        }),
        { numRuns: 200 },
      );
    });
  }

  it('carries the running digest on the same way whatever is dropped, and joins segments up (I4)', () => {
    const steps: Step[] = [1, 1, 2].map((fill) => ({
      kind: 'write',
      volume: 0,
      start: 4,
      count: 8,
      fill,
      zeros: false,
    }));
    const keep = planSeal(rawOf(steps), SEAL_START, { ship: true, dropOverwritten: false });
    const drop = planSeal(rawOf(steps), SEAL_START, { ship: true, dropOverwritten: true });
    assert.equal(keep.segment?.records.length, 3);
    assert.equal(drop.segment?.records.length, 1);
    assert.equal(keep.segment.digestAfter, drop.segment.digestAfter);
    const second = planSeal(rawOf(steps, 4), keep.position, { ship: true, dropOverwritten: false });
    assert.equal(second.segment?.digestBefore, keep.segment.digestAfter);
    assert.notEqual(second.segment.digestAfter, keep.segment.digestAfter);
  });

  it('removes zeros from what it ships', () => {
    const raw = rawOf([{ kind: 'write', volume: 0, start: 0, count: 256, fill: 0, zeros: false }]);
    const { segment } = planSeal(raw, SEAL_START, { ship: true, dropOverwritten: false });
    assert.equal(segment?.dataBytes, 0);
    assert.equal(segment.records.length, 1);
  });

  it('after a suspension ships again only from an init-begin record on, covering the gap', () => {
    const some: Step = { kind: 'write', volume: 0, start: 0, count: 1, fill: 1, zeros: false };
    const first = planSeal(rawOf([some]), SEAL_START, { ship: true, dropOverwritten: false });
    const hidden = planSeal(rawOf([some, some], 2), first.position, { ship: false, dropOverwritten: false });
    assert.equal(hidden.segment, undefined);
    const still = planSeal(rawOf([some], 4), hidden.position, { ship: true, dropOverwritten: false });
    assert.equal(still.segment, undefined, 'a hole is never papered over');
    const raw = rawOf([some, some], 5);
    const begin = record(RecordKind.initBegin, 6, 0, 0, Buffer.from('{}'));
    const resumed = planSeal(
      { ...raw, records: [raw.records[0]!, begin, record(RecordKind.write, 7, 0, 0, Buffer.alloc(512, 5))] },
      still.position,
      { ship: true, dropOverwritten: false },
    );
    assert.equal(resumed.segment?.first, 2);
    assert.equal(resumed.segment.last, 7);
    assert.equal(resumed.segment.digestBefore, first.segment?.digestAfter);
    assert.deepEqual(
      decoded(resumed.segment.records).map((item) => item.lsn),
      [6, 7],
    );
  });

  it('keeps what a full copy in the same segment overwrites: the destination keeps the volumes as they were before it (I10)', () => {
    const write = (at: number): JournalRecord =>
      record(RecordKind.write, at, 0, 4096, Buffer.alloc(4096, at));
    const records = [
      write(1),
      write(2),
      record(RecordKind.initBegin, 3, 0, 0, Buffer.from('{}')),
      write(4),
      write(5),
    ];
    const raw = { header: { ...rawOf([]).header, first: lsn(1) }, records, end: 0 };
    const { segment } = planSeal(raw, SEAL_START, { ship: true, dropOverwritten: true });
    assert.deepEqual(
      segment?.records.map((bytes) => Number(decodeRecord(bytes, 0, SEED)?.lsn)),
      [2, 3, 5],
    );
  });

  it('ships of a copy as of a point that alone, until the next copy begins (I3)', () => {
    const control = (kind: RecordKind, at: number, payload: object): JournalRecord =>
      record(kind, at, 0, 0, Buffer.from(JSON.stringify(payload)));
    const write = (at: number, flags: number): JournalRecord => {
      const header = { kind: RecordKind.write, flags, volume: 0 as VolumeIndex, lsn: lsn(at), offset: 0 };
      return decodeRecord(encodeRecord(header, Buffer.alloc(SECTOR, at), SEED), 0, SEED)!;
    };
    const copied = RecordFlag.fromVolume | RecordFlag.fromPoint;
    const point = { lsn: lsn(1), time: 1234 };
    const options = { ship: true, dropOverwritten: false };
    const raw = (records: JournalRecord[]): LoadedRaw => ({ ...rawOf([], records[0]!.lsn), records });
    const lsns = (records: readonly JournalRecord[]): number[] => records.map((item) => item.lsn);
    const first = planSeal(
      raw([
        control(RecordKind.initBegin, 1, { point }),
        write(2, 0),
        write(3, copied),
        control(RecordKind.initEnd, 4, {}),
      ]),
      SEAL_START,
      options,
    );
    assert.deepEqual([lsns(first.shipped), lsns(first.leftOut)], [[1, 3, 4], [2]]);
    assert.equal(first.segment!.lastTime, point.time, 'a destination is as of then');
    assert.equal(isShippedWhole(first.position), false);
    const behind = planSeal(
      raw([
        write(5, 0),
        control(RecordKind.verify, 6, {}),
        control(RecordKind.initBegin, 7, {}),
        write(8, 0),
        write(9, copied),
      ]),
      first.position,
      options,
    );
    assert.deepEqual(
      [lsns(behind.shipped), lsns(behind.leftOut)],
      [
        [7, 8],
        [5, 6, 9],
      ],
    );
    assert.equal(isShippedWhole(behind.position), true);
  });
});
