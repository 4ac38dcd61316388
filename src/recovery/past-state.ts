/**
 * A state between two snapshots: the older one, and what the segments behind it changed up to one record. Nothing is copied:
 * an index in memory says in which frame of which segment each piece lies, and frames are read when they are asked for.
 *
 * I4: everything is checked once while the index is made, and each frame again when it is read.
 */
import type { AttachedVolume, Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import { payloadLength, RECORD_HEADER_SIZE, RecordKind, type JournalRecord } from '../journal/record.ts';
import { SegmentRefused, type SegmentReader } from '../journal/segment/segment.ts';
import { UndestagedIndex } from '../journal/undestaged-index.ts';
import { ExtentList } from '../nbd/front-end.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import { BlockRanges } from './block-ranges.ts';
import type { ChangedRanges, SnapshotInfo, SnapshotReader } from './snapshot-store.ts';

/** Pieces of one state, some 35 bytes of memory each. */
export const PIECES_MAX = 2 ** 21;
/** Frames that are kept in memory, each of 1 MiB for the most part. */
const FRAMES_KEPT = 16;

export interface PastSegment {
  readonly path: string;
  readonly range: SegmentRange;
}

/** The newest state at or before an LSN or a time, milliseconds by the source's clock. */
export type PastEnd =
  { readonly kind: 'lsn'; readonly lsn: number } | { readonly kind: 'time'; readonly time: number };

export interface PastOptions {
  readonly openSegment: (path: string) => SegmentReader;
  /** Those that the records are of. */
  readonly volumes: readonly AttachedVolume[];
}

export class PastState {
  readonly #options: PastOptions;
  readonly #end: PastEnd;
  /** A piece's generation is the number of its frame, of all segments', and its position the place in that. */
  readonly #indexes: ReadonlyMap<number, UndestagedIndex>;
  readonly #segments: { readonly path: string; readonly firstFrame: number }[] = [];
  #frameCount = 0;
  /** By their numbers; the most recently used last. */
  readonly #frames = new Map<number, Buffer>();
  readonly #base: Lsn;
  #lsn: Lsn;
  #time: number;
  #digest: string | undefined;
  #isDone = false;

  /** It is at the snapshot, until segments are added that follow it. */
  constructor(base: Pick<SnapshotInfo, 'lsn' | 'time'>, end: PastEnd, options: PastOptions) {
    this.#options = options;
    this.#end = end;
    this.#base = base.lsn;
    this.#lsn = base.lsn;
    this.#time = base.time;
    this.#indexes = new Map(options.volumes.map(({ index }) => [index, new UndestagedIndex()]));
  }

  get lsn(): Lsn {
    return this.#lsn;
  }

  /** The source's clock, milliseconds since 1970. */
  get time(): number {
    return this.#time;
  }

  /** False when the end is reached. @throws OperatorError `RETAINED_DAMAGED`, `POINT_TOO_FAR` */
  add(segment: PastSegment): boolean {
    if (this.#isDone || (this.#end.kind === 'lsn' && segment.range.first > this.#end.lsn)) return false;
    try {
      const reader = this.#options.openSegment(segment.path);
      try {
        this.#take(segment, reader);
      } finally {
        reader.close();
      }
    } catch (error) {
      if (error instanceof SegmentRefused) throw damaged(segment, this.#lsn, error);
      throw error;
    }
    return !this.#isDone;
  }

  /** A volume of the snapshot as it is in this state. */
  over(base: SnapshotReader, volume: string): SnapshotReader {
    const index = this.#indexes.get(this.#options.volumes.find(({ name }) => name === volume)?.index ?? -1);
    if (index === undefined) return base;
    const changed = base.changed?.bind(base);
    return {
      ...(changed && { changed: (offset: number) => changedOver(index, changed(offset), offset) }),
      size: base.size,
      read: (offset, into) => this.#read(index, base, offset, into),
      extents: (offset, length, list) => addExtents(index.lookup(offset, length), base, list),
      close: () => base.close(),
    };
  }

  #take(segment: PastSegment, reader: SegmentReader): void {
    const { header } = reader;
    if (this.#digest !== undefined && header.digestBefore !== this.#digest)
      throw new SegmentRefused('DOES_NOT_JOIN', `${segment.path} continues another history`, '');
    this.#digest = header.digestAfter;
    // Of what covers merged records only the last state is in it.
    const { first, firstTime, last, lastTime, overwrittenDropped } = header;
    if (overwrittenDropped ? this.#isBehind(last, lastTime) : this.#isBehind(first, firstTime)) {
      this.#isDone = true;
      return;
    }
    this.#segments.push({ path: segment.path, firstFrame: this.#frameCount });
    for (const records of reader.frames()) {
      let at = 0;
      for (const record of records) {
        if (!this.#takeRecord(record, this.#frameCount, at + RECORD_HEADER_SIZE)) return;
        at += RECORD_HEADER_SIZE + payloadLength(record);
      }
      this.#frameCount += 1;
      this.#checkPieces();
    }
    this.#lsn = header.last;
    this.#time = header.lastTime;
  }

  /** False when it lies behind the end. */
  #takeRecord(record: JournalRecord, frame: number, position: number): boolean {
    const { kind, lsn, offset, length } = record;
    const time = kind === RecordKind.clock ? offset : this.#time;
    // From there on it is being copied over.
    if (this.#isBehind(lsn, time) || kind === RecordKind.initBegin) {
      this.#isDone = true;
      return false;
    }
    const index = this.#indexes.get(record.volume);
    // The snapshot may lie within the segment.
    if (lsn <= this.#base) return true;
    if (kind === RecordKind.write) index?.addWrite(offset, length, frame, position);
    else if (kind === RecordKind.zero) index?.addZero(offset, length, frame);
    this.#lsn = lsn;
    this.#time = time;
    return true;
  }

  #isBehind(lsn: number, time: number): boolean {
    return this.#end.kind === 'lsn' ? lsn > this.#end.lsn : time > this.#end.time;
  }

  #checkPieces(): void {
    let pieces = 0;
    for (const index of this.#indexes.values()) pieces += index.extents;
    if (pieces <= PIECES_MAX) return;
    throw new OperatorError(
      'POINT_TOO_FAR',
      `more than ${PIECES_MAX} pieces of the volumes were written between the snapshot before it and LSN ${this.#lsn}`,
      { remedy: 'choose a point nearer behind a snapshot; `blockferry recover points GROUP` lists them' },
    );
  }

  #read(index: UndestagedIndex, base: SnapshotReader, offset: number, into: Buffer): void {
    for (const piece of index.lookup(offset, into.length)) {
      const part = into.subarray(piece.start - offset, piece.end - offset);
      if (piece.kind === 'volume') base.read(piece.start, part);
      else if (piece.kind === 'zero') part.fill(0);
      else this.#frame(piece.generation).copy(part, 0, piece.position, piece.position + part.length);
    }
  }

  #frame(number: number): Buffer {
    const known = this.#frames.get(number);
    this.#frames.delete(number);
    const plain = known ?? this.#readFrame(number);
    this.#frames.set(number, plain);
    const [oldest] = this.#frames.keys();
    if (this.#frames.size > FRAMES_KEPT && oldest !== undefined) this.#frames.delete(oldest);
    return plain;
  }

  #readFrame(number: number): Buffer {
    const segment = this.#segments.findLast(({ firstFrame }) => firstFrame <= number);
    assert(segment !== undefined, `frame ${number} is of no segment`);
    const reader = this.#options.openSegment(segment.path);
    try {
      return reader.plain(number - segment.firstFrame);
    } finally {
      reader.close();
    }
  }
}

/** What came behind the snapshot, and what was kept of it. */
function changedOver(index: UndestagedIndex, base: ChangedRanges, offset: number): ChangedRanges {
  const all = new BlockRanges();
  for (const { start, end } of base.ranges) all.add(start, end);
  for (const { kind, start, end } of index.lookup(offset, base.end - offset))
    if (kind !== 'volume') all.add(start, end);
  return { ranges: [...all.within(offset, base.end)], end: base.end };
}

function addExtents(
  pieces: ReturnType<UndestagedIndex['lookup']>,
  base: SnapshotReader,
  list: ExtentList,
): void {
  for (const { kind, start, end } of pieces) {
    if (kind !== 'volume') {
      if (!list.add(end - start, kind === 'zero' ? 'hole' : 'data')) return;
      continue;
    }
    const own = new ExtentList(Infinity);
    base.extents(start, end - start, own);
    let at = start;
    for (const extent of own.extents) {
      if (!list.add(extent.length, extent.kind)) return;
      at += extent.length;
    }
    if (at < end) return;
  }
}

function damaged({ path, range }: PastSegment, before: Lsn, cause: SegmentRefused): OperatorError {
  return new OperatorError(
    'RETAINED_DAMAGED',
    `what is kept of LSN ${range.first} to ${range.last} is damaged: ${cause.message}`,
    {
      remedy: `the nearest states that are whole are LSN ${before}, before it, and the next snapshot behind it; look at the disk that holds ${path}`,
      cause,
    },
  );
}
