/**
 * Merges sealed segments that follow each other into one that covers their whole LSN range and holds each sector once, as
 * its last writer left it. Applied as a whole it leaves what they leave one after the other; what lay between them is given up.
 *
 * In steps of one frame each, because the thread that does it has more urgent work. The segments are read twice: to see who
 * wrote each sector last, and to take that. Memory: {@link LastWriters} and two frames, whatever the segments' size.
 */
import { assert } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { SegmentEnd } from './coalesce-plan.ts';
import { toldLength } from './compare.ts';
import { LastWriters, SECTOR } from './last-writers.ts';
import {
  encodeRecordInPlace,
  payloadLength,
  RECORD_HEADER_SIZE,
  RecordKind,
  type JournalRecord,
} from './record.ts';
import { openSegment } from './segment/reader.ts';
import type { SegmentHeader, SegmentReader } from './segment/segment.ts';
import { SegmentWriter, type SegmentOptions } from './segment/writer.ts';

/** Bytes between two syncs: one of the whole file would hold up the thread. */
const SYNC_INTERVAL = 8 * 1024 * 1024;
/** Of the data: it is not worth writing anew for less. */
const DROPPED_MIN = 1 / 64;

const CONTROLS: ReadonlySet<RecordKind> = new Set([
  RecordKind.attach,
  RecordKind.initBegin,
  RecordKind.initEnd,
  RecordKind.resize,
]);

export interface CoalesceOptions extends SegmentOptions {
  /** Of the segments, in order, at least two: the last one alone may end with a marker, none holds any other control record. */
  readonly sources: readonly string[];
  /** Must not exist. What is written there without an end is the caller's to remove. */
  readonly target: string;
  /** Of {@link LastWriters}; its own limit without it. */
  readonly pagesMax?: number;
}

/** `useless`: too little would be left out, or what is written is too scattered for the memory. `ready`: durable at `target`. */
export type CoalesceOutcome =
  { readonly kind: 'useless' } | { readonly kind: 'ready'; readonly merged: number; readonly bytes: number };

/** Records that are always the last of their segment, and stay so. */
const ENDS: ReadonlySet<RecordKind> = new Set([RecordKind.marker, RecordKind.handover]);

/** What a segment of these records means to merging. */
export function endOf(records: readonly JournalRecord[]): SegmentEnd {
  if (records.some((record) => CONTROLS.has(record.kind))) return 'control';
  return ENDS.has(records.at(-1)?.kind ?? RecordKind.write) ? 'marker' : 'data';
}

/** One frame a turn. `merged` of the outcome counts the sources that are in it, from the first on. @throws SegmentRefused, and the file system's errors */
export function* coalesce(files: Files, options: CoalesceOptions): Generator<undefined, CoalesceOutcome> {
  let sources = options.sources;
  while (sources.length >= 2) {
    const survey = yield* surveyOf(files, { ...options, sources });
    if (survey.unfit === undefined) {
      const dropped = survey.dataBytes - survey.writers.sectors * SECTOR;
      if (dropped < survey.dataBytes * DROPPED_MIN) return { kind: 'useless' };
      const bytes = yield* write(files, { ...options, sources }, survey);
      return { kind: 'ready', merged: sources.length, bytes };
    }
    sources = sources.slice(0, survey.unfit);
  }
  return { kind: 'useless' };
}

interface Survey {
  readonly writers: LastWriters;
  readonly header: Omit<SegmentHeader, 'encrypted' | 'compressed'>;
  /** The number of the last clock record, 0 for none: the others tell the time of what is given up. */
  readonly clock: number;
  /** Bytes that the records write or zero. */
  readonly dataBytes: number;
  /** The source that does not fit into memory any more. */
  readonly unfit: number | undefined;
}

function* surveyOf(files: Files, options: CoalesceOptions): Generator<undefined, Survey> {
  const writers = new LastWriters(options.pagesMax);
  const headers: SegmentHeader[] = [];
  let [number, clock, dataBytes] = [0, 0, 0];
  let unfit: number | undefined;
  for (const [at, source] of options.sources.entries()) {
    const reader = openSegment(files, source, options.key);
    try {
      checkFollows(headers.at(-1), reader.header);
      headers.push(reader.header);
      for (const frame of reader.frames()) {
        for (const record of frame) {
          number += 1;
          if (record.kind === RecordKind.clock) clock = number;
          if (!isData(record)) continue;
          dataBytes += record.length;
          if (!writers.note(record, number)) unfit ??= at;
        }
        yield undefined;
        if (unfit !== undefined) break;
      }
    } finally {
      reader.close();
    }
    if (unfit !== undefined) break;
  }
  return { writers, header: headerOf(headers), clock, dataBytes, unfit };
}

function checkFollows(before: SegmentHeader | undefined, header: SegmentHeader): void {
  const joins =
    before === undefined ||
    (before.epoch.id === header.epoch.id &&
      before.last + 1 === header.first &&
      before.digestAfter === header.digestBefore);
  assert(joins, `segment ${header.first} does not continue the one before it`);
}

function headerOf(headers: readonly SegmentHeader[]): Survey['header'] {
  const [first, last] = [headers[0], headers.at(-1)];
  assert(first !== undefined && last !== undefined, 'nothing to merge');
  const { group, epoch, digestBefore, firstTime } = first;
  const { digestAfter, lastTime, recordSeed } = last;
  return {
    group,
    epoch,
    first: first.first,
    last: last.last,
    digestBefore,
    digestAfter,
    firstTime,
    lastTime,
    overwrittenDropped: true,
    recordSeed,
  };
}

function isData(record: JournalRecord): boolean {
  return record.kind === RecordKind.write || record.kind === RecordKind.zero;
}

/** Returns the bytes of the file. */
function* write(files: Files, options: CoalesceOptions, survey: Survey): Generator<undefined, number> {
  const file = files.open(options.target, 'create-new');
  try {
    const writer = new SegmentWriter(file, survey.header, options);
    let [number, dataBytes, synced] = [0, 0, 0];
    for (const source of options.sources) {
      const reader: SegmentReader = openSegment(files, source, options.key);
      try {
        for (const frame of reader.frames()) {
          for (const record of frame) {
            number += 1;
            for (const piece of kept(record, number, survey)) {
              writer.add(piece);
              if (record.kind === RecordKind.write) dataBytes += piece.length - RECORD_HEADER_SIZE;
            }
          }
          if (writer.bytes - synced >= SYNC_INTERVAL) {
            file.syncNow();
            synced = writer.bytes;
          }
          yield undefined;
        }
      } finally {
        reader.close();
      }
    }
    const { fileBytes } = writer.finish(dataBytes);
    file.syncNow();
    return fileBytes;
  } finally {
    file.close();
  }
}

/** In buffers of their own: the frame's memory does not outlive it. */
function kept(record: JournalRecord, number: number, { writers, header, clock }: Survey): Buffer[] {
  if (record.kind === RecordKind.clock && number !== clock) return [];
  // What it speaks of may be given up: the range is compared again in the next pass.
  if (isOutdated(record, number, writers)) return [];
  if (!isData(record)) return [encoded(record, record.payload, header.recordSeed)];
  return writers.survivors(record, number).map(({ start, end }) => {
    const piece = { ...record, offset: start, length: end - start };
    const payload = record.payload.subarray(start - record.offset, end - record.offset);
    return encoded(piece, payload, header.recordSeed);
  });
}

function isOutdated(record: JournalRecord, number: number, writers: LastWriters): boolean {
  const length = toldLength(record);
  if (length === undefined) return false;
  if (length === 0) return true;
  return writers.writtenAfter({ volume: record.volume, offset: record.offset, length }, number);
}

function encoded(record: JournalRecord, payload: Buffer, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE + payloadLength(record));
  payload.copy(bytes, RECORD_HEADER_SIZE);
  encodeRecordInPlace(bytes, 0, record, seed);
  return bytes;
}
