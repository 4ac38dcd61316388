import assert from 'node:assert/strict';
import fc from 'fast-check';
import { coalesce, type CoalesceOutcome } from '../../src/journal/coalesce.ts';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import {
  encodeRecord,
  encodeRecordInPlace,
  RecordKind,
  type JournalRecord,
} from '../../src/journal/record.ts';
import { openSegment } from '../../src/journal/segment/reader.ts';
import { writeSegment } from '../support/segment-file.ts';
import { freshDisk } from '../capture/engine.ts';
import type { MemoryDisk } from '../recovery/memory-disk.ts';
import { seededRandom } from '../support/random.ts';

const SIZE = 256 * 1024;
const SECTOR = 512;
const MARKER = { id: 'ab'.repeat(16), kind: 'snapshot', name: 'm' };
const OPTIONS = { key: Buffer.alloc(32, 5), compression: 1, random: seededRandom('coalesce') };

type Step =
  | {
      readonly kind: 'write' | 'zero';
      readonly volume: number;
      readonly start: number;
      readonly count: number;
    }
  | { readonly kind: 'clock' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: change('write') },
  { weight: 1, arbitrary: change('zero') },
  { weight: 1, arbitrary: fc.constant({ kind: 'clock' as const }) },
);

function change(kind: 'write' | 'zero'): fc.Arbitrary<Step> {
  return fc.record({
    kind: fc.constant(kind),
    volume: fc.integer({ min: 0, max: 1 }),
    start: fc.integer({ min: 0, max: SIZE / SECTOR - 1 }),
    count: fc.integer({ min: 1, max: 200 }),
  });
}

/** Segments of a journal, one for each list of steps; the last ends with a marker when `marked`. */
function segmentsOf(
  histories: readonly (readonly Step[])[],
  marked: boolean,
): { disk: MemoryDisk; paths: string[] } {
  const { disk } = freshDisk();
  disk.makeDirectory('/journal');
  let at = 1;
  const paths = histories.map((steps, i) => {
    const first = at;
    const seed = 1000 + i;
    const records = steps.map((item) => encoded(item, at++, seed));
    if (marked && i === histories.length - 1) {
      const header = {
        kind: RecordKind.marker,
        flags: 0,
        volume: 0 as VolumeIndex,
        lsn: lsn(at++),
        offset: 7,
      };
      records.push(encodeRecord(header, Buffer.from(JSON.stringify(MARKER)), seed));
    }
    const path = `/journal/${i}`;
    const facts = {
      group: { name: 'g', id: '12'.repeat(16) },
      epoch: { number: epoch(1), id: '34'.repeat(16) },
      first: lsn(first),
      last: lsn(at - 1),
      digestBefore: digest(i),
      digestAfter: digest(i + 1),
      firstTime: 100 + i,
      lastTime: 101 + i,
      overwrittenDropped: false,
      recordSeed: seed,
    };
    writeSegment(disk, path, facts, records, 0, OPTIONS);
    return path;
  });
  return { disk, paths };
}

const digest = (i: number): string => i.toString(16).padStart(64, '0');

function encoded(item: Step, at: number, seed: number): Buffer {
  const header = { flags: 0, volume: 0 as VolumeIndex, lsn: lsn(at) };
  if (item.kind === 'clock')
    return encodeRecord({ ...header, kind: RecordKind.clock, offset: at }, Buffer.alloc(0), seed);
  const length = Math.min(item.count, SIZE / SECTOR - item.start) * SECTOR;
  const place = { ...header, volume: item.volume as VolumeIndex, offset: item.start * SECTOR };
  const payload = Buffer.alloc(item.kind === 'write' ? length : 0, (at % 250) + 1);
  const bytes = encodeRecord({ ...place, kind: RecordKind[item.kind] }, payload, seed);
  encodeRecordInPlace(bytes, 0, { ...place, kind: RecordKind[item.kind], length }, seed);
  return bytes;
}

function recordsOf(disk: MemoryDisk, path: string): JournalRecord[] {
  const reader = openSegment(disk, path, OPTIONS.key);
  try {
    return [...reader.frames()].flat();
  } finally {
    reader.close();
  }
}

function applied(disk: MemoryDisk, paths: readonly string[]): Buffer {
  const volumes = [Buffer.alloc(SIZE, 0xee), Buffer.alloc(SIZE, 0xee)];
  for (const { kind, volume, offset, length, payload } of paths.flatMap((path) => recordsOf(disk, path))) {
    if (kind === RecordKind.write) payload.copy(volumes[volume]!, offset);
    if (kind === RecordKind.zero) volumes[volume]!.fill(0, offset, offset + length);
  }
  return Buffer.concat(volumes);
}

function merge(disk: MemoryDisk, sources: readonly string[], pagesMax?: number): CoalesceOutcome {
  const limits = pagesMax === undefined ? {} : { pagesMax };
  const steps = coalesce(disk, { ...OPTIONS, sources, target: '/journal/merged', ...limits });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

const histories = fc.array(fc.array(step, { minLength: 1, maxLength: 25 }), { minLength: 2, maxLength: 6 });

describe('coalescing segments', () => {
  it('leaves what they leave one after the other, each sector once, in LSN order, and joins up as they do (I3, I4)', () => {
    fc.assert(
      fc.property(histories, fc.boolean(), (steps, marked) => {
        const { disk, paths } = segmentsOf(steps, marked);
        const outcome = merge(disk, paths);
        if (outcome.kind === 'useless') return;
        assert.deepEqual(outcome, { kind: 'ready', merged: paths.length, bytes: outcome.bytes });
        assert.ok(applied(disk, ['/journal/merged']).equals(applied(disk, paths)));
        const records = recordsOf(disk, '/journal/merged');
        assert.equal(records.at(-1)!.kind === RecordKind.marker, marked);
        assert.ok(records.filter(({ kind }) => kind === RecordKind.clock).length <= 1);
        const seen = new Set<string>();
        for (const { kind, volume, offset, length } of records) {
          if (kind !== RecordKind.write && kind !== RecordKind.zero) continue;
          for (let at = offset; at < offset + length; at += SECTOR) {
            assert.ok(!seen.has(`${volume} ${at}`), 'twice');
            seen.add(`${volume} ${at}`);
          }
        }
        const { header, totals } = openSegment(disk, '/journal/merged', OPTIONS.key);
        const last = openSegment(disk, paths.at(-1)!, OPTIONS.key).header;
        assert.deepEqual(
          [header.first, header.last, header.digestBefore, header.digestAfter, header.overwrittenDropped],
          [1, last.last, digest(0), digest(paths.length), true],
        );
        assert.deepEqual([header.firstTime, header.lastTime], [100, last.lastTime]);
        const data = records.filter(({ kind }) => kind === RecordKind.write);
        assert.equal(
          totals.dataBytes,
          data.reduce((sum, { length }) => sum + length, 0),
        );
        assert.equal(totals.fileBytes, outcome.bytes);
      }),
      { numRuns: 150 },
    );
  });

  it('leaves segments alone that do not overwrite each other, and writes nothing', () => {
    const { disk, paths } = segmentsOf(
      [0, 1, 2].map((i) => [{ kind: 'write', volume: 0, start: i * 100, count: 100 }]),
      false,
    );
    assert.deepEqual(merge(disk, paths), { kind: 'useless' });
    assert.equal(disk.stat('/journal/merged'), undefined);
  });

  it('takes as many segments as fit into its memory', () => {
    const steps: Step[][] = [0, 0, 0, 300, 0].map((start) => [
      { kind: 'write', volume: 0, start, count: 100 },
    ]);
    const { disk, paths } = segmentsOf(steps, false);
    const outcome = merge(disk, paths, 1);
    assert.ok(outcome.kind === 'ready');
    assert.equal(outcome.merged, 3);
    assert.ok(applied(disk, ['/journal/merged']).equals(applied(disk, paths.slice(0, 3))));
    disk.remove('/journal/merged');
    assert.deepEqual(merge(disk, paths.slice(2), 1), { kind: 'useless' });
  });

  it('lets go of the segments when it is given up half way', () => {
    const { disk, paths } = segmentsOf(
      [0, 0, 0].map((start) => [{ kind: 'write', volume: 0, start, count: 100 }]),
      false,
    );
    const steps = coalesce(disk, { ...OPTIONS, sources: paths, target: '/journal/merged' });
    for (let i = 0; i < 5; i += 1) assert.equal(steps.next().done, false);
    steps.return({ kind: 'useless' });
    disk.remove('/journal/merged');
    assert.equal(merge(disk, paths).kind, 'ready');
  });
});
