/**
 * Turns a closed raw segment into what is shipped: zero runs removed, overwritten data dropped where the group allows it,
 * the running digest carried on. Pure: decides what the sealed segment holds; `segment/writer.ts` writes it.
 */
import { createHash } from 'node:crypto';
import { LSN_NONE, lsn, type Lsn } from './ids.ts';
import type { ClosedRaw, LoadedRaw } from './raw-segment.ts';
import {
  encodedBytes,
  encodeRecordInPlace,
  payloadLength,
  RECORD_HEADER_SIZE,
  RecordFlag,
  RecordKind,
  type JournalRecord,
} from './record.ts';
import { toldLength } from './compare.ts';
import { copyPointOf, type CopyPoint } from './copy-point.ts';
import { Coverage } from './coverage.ts';
import { DIGEST_START } from './segment/format.ts';
import type { SegmentHeader } from './segment/segment.ts';
import type { EncodedRecord } from './segment/writer.ts';

/** How far the journal has been sealed. What lies between `shipped` and `digested` was taken but is not replicated. */
export interface SealPosition {
  /** The last record that a sealed segment covers, and the running digest there. */
  readonly shipped: Lsn;
  readonly shippedDigest: string;
  /** The last record that the running digest has seen. */
  readonly digested: Lsn;
  readonly digest: string;
  /** The source's clock at `digested`, milliseconds since 1970. */
  readonly clock: number;
  /** The newest init-begin and init-end records that a sealed segment holds; `LSN_NONE` while none does. */
  readonly copyBegun: Lsn;
  readonly copyEnded: Lsn;
  /** What the newest of these copies is as of; null: it goes on in step with live writes, which are shipped since. */
  readonly copyPoint: CopyPoint | null;
}

export const SEAL_START: SealPosition = {
  shipped: LSN_NONE,
  shippedDigest: DIGEST_START,
  digested: LSN_NONE,
  digest: DIGEST_START,
  clock: 0,
  copyBegun: LSN_NONE,
  copyEnded: LSN_NONE,
  copyPoint: null,
};

/** Whether a destination that has all that was shipped is consistent. */
export function isShippedConsistent({ copyBegun, copyEnded }: SealPosition): boolean {
  return copyEnded > copyBegun;
}

/** Whether what was shipped reaches to the last record that was taken. */
export function isShippedToEnd({ shipped, digested }: SealPosition): boolean {
  return shipped === digested;
}

/** Whether nothing that was taken is left out of what was shipped. */
export function isShippedWhole(position: SealPosition): boolean {
  return isShippedToEnd(position) && position.copyPoint === null;
}

export interface SealOptions {
  /** False while changes are only marked: the digest goes on, nothing is shipped. */
  readonly ship: boolean;
  readonly dropOverwritten: boolean;
}

/** What a sealed segment is to hold. */
export interface SealPlan extends Pick<
  SegmentHeader,
  'first' | 'last' | 'digestBefore' | 'digestAfter' | 'firstTime' | 'lastTime' | 'overwrittenDropped'
> {
  readonly records: readonly EncodedRecord[];
  /** Bytes of volume data in them. */
  readonly dataBytes: number;
}

/** What becomes of a raw segment's records, all of which the position has seen. */
export interface Sealing {
  readonly position: SealPosition;
  readonly segment: SealPlan | undefined;
  readonly shipped: readonly JournalRecord[];
  readonly leftOut: readonly JournalRecord[];
}

/**
 * The sealed form of a raw segment, or none while nothing is shipped. Where records were left out before this segment
 * (changes were only marked), shipping begins again only with an init-begin record: the segment then covers the whole
 * gap, holds nothing from before that record, and so joins up with what the destination has (I3, I4). From one with a
 * point on, what hosts write is left out until the next one. `leftOut`: what no sealed segment will hold.
 */
export function planSeal(raw: LoadedRaw, position: SealPosition, options: SealOptions): Sealing {
  const last = lsn(raw.header.first + raw.records.length - 1);
  const clock = lastClock(raw.records, position.clock);
  const digest = carryOn(position.digest, raw.records);
  const digested = { digested: last, digest, clock };
  const begin = options.ship ? beginOf(raw.records, position) : raw.records.length;
  if (begin === raw.records.length)
    return { position: { ...position, ...digested }, segment: undefined, shipped: [], leftOut: raw.records };
  const { shipped, leftOut, copyPoint } = sift(raw.records, begin, position.copyPoint);
  const lastTime = copyPoint?.time ?? clock;
  const firstTime = firstClock(shipped, position.clock === 0 ? raw.header.clock : position.clock);
  return {
    shipped,
    leftOut,
    position: {
      ...digested,
      shipped: last,
      shippedDigest: digest,
      copyBegun: newest(shipped, RecordKind.initBegin) ?? position.copyBegun,
      copyEnded: newest(shipped, RecordKind.initEnd) ?? position.copyEnded,
      copyPoint,
    },
    segment: {
      first: lsn(position.shipped + 1),
      last,
      digestBefore: position.shippedDigest,
      digestAfter: digest,
      // A destination that has applied it is where its source was then, whenever it was copied.
      firstTime: copyPoint === null ? firstTime : Math.min(firstTime, lastTime),
      lastTime,
      overwrittenDropped: options.dropOverwritten,
      ...toShippedForm(shipped, raw.header.seed, options.dropOverwritten),
    },
  };
}

/**
 * Up to where the source's own volumes hold the journal once a raw segment is sealed, where they held it up to `applied` before:
 * what they held when they were copied, in step with live writes, they hold still.
 */
export function appliedBySealing(
  { segment, position, shipped, leftOut }: Sealing,
  { header, last }: Pick<ClosedRaw, 'header' | 'last'>,
  applied: Lsn,
): Lsn {
  const isInStep = segment !== undefined && position.copyPoint === null && leftOut.length === 0;
  if (applied !== header.first - 1 || !isInStep) return applied;
  const isOfVolume = ({ kind, flags }: JournalRecord): boolean =>
    (kind === RecordKind.write || kind === RecordKind.zero) && (flags & RecordFlag.fromVolume) !== 0;
  const isCopied =
    shipped.some(isOfVolume) &&
    shipped.every((record) => record.kind === RecordKind.clock || isOfVolume(record));
  return isCopied ? last : applied;
}

/** Where in the records shipping begins. */
function beginOf(records: readonly JournalRecord[], position: SealPosition): number {
  if (isShippedToEnd(position)) return 0;
  const begin = records.findIndex((record) => record.kind === RecordKind.initBegin);
  return begin === -1 ? records.length : begin;
}

/** What is shipped of the records, from `begin` on, where those before are as of `copyPoint`. */
function sift(
  records: readonly JournalRecord[],
  begin: number,
  copyPoint: CopyPoint | null,
): Pick<Sealing, 'shipped' | 'leftOut'> & { readonly copyPoint: CopyPoint | null } {
  const shipped: JournalRecord[] = [];
  const leftOut = records.slice(0, begin);
  let point = copyPoint;
  for (const record of records.slice(begin)) {
    if (record.kind === RecordKind.initBegin) point = copyPointOf(record) ?? null;
    (isOf(record, point) ? shipped : leftOut).push(record);
  }
  return { shipped, leftOut, copyPoint: point };
}

/** A verify or compare record speaks of live writes. */
function isOf({ kind, flags }: JournalRecord, point: CopyPoint | null): boolean {
  const isData = kind === RecordKind.write || kind === RecordKind.zero;
  if (isData) return ((flags & RecordFlag.fromPoint) !== 0) === (point !== null);
  return (kind !== RecordKind.verify && kind !== RecordKind.compare) || point === null;
}

function newest(records: readonly JournalRecord[], kind: RecordKind): Lsn | undefined {
  return records.findLast((record) => record.kind === kind)?.lsn;
}

/** See `segment/format.ts`, running digest. */
function carryOn(digest: string, records: readonly JournalRecord[]): string {
  const hash = createHash('sha256').update(Buffer.from(digest, 'hex'));
  for (const record of records) hash.update(encodedBytes(record).subarray(0, RECORD_HEADER_SIZE));
  return hash.digest('hex');
}

function lastClock(records: readonly JournalRecord[], before: number): number {
  return records.findLast((record) => record.kind === RecordKind.clock)?.offset ?? before;
}

function firstClock(records: readonly JournalRecord[], before: number): number {
  const first = records[0];
  return first?.kind === RecordKind.clock ? first.offset : before;
}

function toShippedForm(
  records: readonly JournalRecord[],
  seed: number,
  dropOverwritten: boolean,
): { records: EncodedRecord[]; dataBytes: number } {
  const kept = dropOverwritten ? withoutOverwritten(records) : records;
  const shipped: EncodedRecord[] = [];
  let dataBytes = 0;
  for (const record of kept) {
    for (const piece of record.kind === RecordKind.write
      ? splitAtZeros(record, seed)
      : [encodedBytes(record)]) {
      shipped.push(piece);
      if (record.kind === RecordKind.write) dataBytes += piece.length - RECORD_HEADER_SIZE;
    }
  }
  return { records: shipped, dataBytes };
}

/**
 * Leaves out every write and zero that later ones of the same segment cover whole. Not across the beginning of a
 * copy: the destination keeps the volumes as they are just before it (I10). And nothing of what a verify or compare
 * record in between speaks of.
 */
function withoutOverwritten(records: readonly JournalRecord[]): JournalRecord[] {
  const covered = new Map<number, Coverage>();
  const kept: JournalRecord[] = [];
  for (const record of records.toReversed()) {
    if (record.kind === RecordKind.write || record.kind === RecordKind.zero) {
      let coverage = covered.get(record.volume);
      if (coverage === undefined) covered.set(record.volume, (coverage = new Coverage()));
      const end = record.offset + record.length;
      if (coverage.contains(record.offset, end)) continue;
      coverage.add(record.offset, end);
    } else if (record.kind === RecordKind.initBegin) covered.clear();
    else {
      const told = toldLength(record);
      if (told !== undefined) covered.get(record.volume)?.remove(record.offset, record.offset + told);
    }
    kept.push(record);
  }
  return kept.reverse();
}

/** Zeros are looked for in pieces of this many bytes, and leave a hole in a longer record when they are this long a run. */
const ZERO_PIECE = 4096;
const ZERO_RUN_MIN = 16 * 1024;
const ZEROS = Buffer.alloc(ZERO_PIECE);

/** A write record as it is, or around its zero runs in several records with its LSN, or as one zero record. */
export function splitAtZeros(record: JournalRecord, seed: number): EncodedRecord[] {
  const runs = zeroRuns(record.payload);
  if (runs.length === 0) return [encodedBytes(record)];
  const pieces: EncodedRecord[] = [];
  let at = 0;
  for (const run of [...runs, { start: record.length, end: record.length }]) {
    if (run.start > at) pieces.push(piece(record, RecordKind.write, at, run.start, seed));
    if (run.end > run.start) pieces.push(piece(record, RecordKind.zero, run.start, run.end, seed));
    at = run.end;
  }
  return pieces;
}

function zeroRuns(payload: Buffer): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  let start = -1;
  const close = (end: number): void => {
    if (start !== -1 && (end - start >= ZERO_RUN_MIN || end - start === payload.length))
      runs.push({ start, end });
    start = -1;
  };
  for (let at = 0; at < payload.length; at += ZERO_PIECE) {
    const end = Math.min(at + ZERO_PIECE, payload.length);
    if (payload.compare(ZEROS, 0, end - at, at, end) !== 0) close(at);
    else if (start === -1) start = at;
  }
  close(payload.length);
  return runs;
}

function piece(
  record: JournalRecord,
  kind: typeof RecordKind.write | typeof RecordKind.zero,
  start: number,
  end: number,
  seed: number,
): EncodedRecord {
  const header = { ...record, kind, offset: record.offset + start, length: end - start };
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_SIZE + payloadLength(header));
  if (kind === RecordKind.write) record.payload.copy(bytes, RECORD_HEADER_SIZE, start, end);
  encodeRecordInPlace(bytes, 0, header, seed);
  return bytes;
}
