/**
 * Brings destinations that have an old copy into step: of what the change map has marked, the digests go through the journal
 * first, in step with live writes, and what a destination holds otherwise is sent. Holes are sent as such: they cost less.
 *
 * In windows: what one asks is answered by all destinations before the next one begins. What could not be compared is asked
 * again in a later round. A region counts as done when all of it was the same, or was sent.
 */
import { LSN_NONE, lsn, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import { COMPARE_DATA_MAX, COMPARE_WINDOW_MAX, encodeCompare } from '../journal/compare.ts';
import { RecordFlag, RecordKind } from '../journal/record.ts';
import { RegionBits, regionCount } from '../journal/region-bits.ts';
import { verifyDigest } from '../journal/verify.ts';
import type { CapturedVolume } from './captured-volume.ts';
import { CopyLoop, type Step } from './copy-loop.ts';
import type { RegionCopyOptions } from './region-copy.ts';
import { UnhurriedReads } from './unhurried-reads.ts';
import { VolumeCopier } from './volume-copier.ts';

/** Bytes that one look at a volume's extents covers; no region is larger. */
const LOOK_BYTES = 1024 * 1024 * 1024;

/** All of it is in the journal, and its segment closed. */
export interface AskedWindow {
  /** The LSN at which it begins, and that of its last record. */
  readonly window: Lsn;
  readonly last: Lsn;
  readonly pieces: number;
}

/** One bit a piece. */
export interface WindowOutcome {
  readonly window: Lsn;
  /** What all destinations hold as the source did; and what one of them holds otherwise. */
  readonly equal: Uint8Array;
  readonly differing: Uint8Array;
}

/** Bytes from `start` up to `end`, whole regions. */
export interface EqualRange {
  readonly volume: VolumeIndex;
  readonly start: number;
  readonly end: number;
}

interface Walked {
  readonly volume: CapturedVolume;
  /** When the copy began. */
  readonly size: number;
  readonly regionSize: number;
  /** Regions that are not done. */
  readonly todo: RegionBits;
}

/** A region, or of one that is larger than a record may speak of, a part. */
interface Piece {
  readonly of: Walked;
  readonly region: number;
}

interface Window {
  readonly first: Lsn;
  last: Lsn;
  readonly pieces: Piece[];
  state: 'open' | 'asked' | 'answered';
}

export interface ComparingCopyOptions extends RegionCopyOptions {
  readonly onAsked: (window: AskedWindow) => void;
}

export class ComparingCopy {
  readonly #options: ComparingCopyOptions;
  readonly #loop: CopyLoop;
  readonly #copier = new VolumeCopier();
  readonly #reads = new UnhurriedReads();
  readonly #content = Buffer.allocUnsafe(COMPARE_DATA_MAX);
  readonly #walked: readonly Walked[];
  #at = 0;
  #offset = 0;
  #window: Window | undefined;
  /** Regions that differ. */
  #sending: { readonly of: Walked; start: number; readonly end: number }[] = [];

  constructor(options: ComparingCopyOptions) {
    this.#options = options;
    this.#loop = new CopyLoop({ ...options, next: () => this.#next() });
    this.#walked = options.volumes.flatMap((volume) => {
      const marked = options.marked.find(({ index }) => index === volume.volumeIndex);
      if (marked === undefined) return [];
      const { size } = volume;
      const { regionSize, bits } = marked;
      const todo = new RegionBits(Uint8Array.from(bits), regionCount(size, regionSize));
      return { volume, size, regionSize, todo };
    });
  }

  start(): void {
    this.#loop.wake();
  }

  stop(): void {
    this.#loop.stop();
  }

  /** What differs is sent from now on. Returns what is done, as it was all the same. Of another window: nothing. */
  answer({ window: of, equal, differing }: WindowOutcome): readonly EqualRange[] {
    const window = this.#window;
    if (window?.first !== of || window.state !== 'asked') return [];
    window.state = 'answered';
    const ranges: EqualRange[] = [];
    const [same, other] = [equal, differing].map((bits) => new RegionBits(bits, window.pieces.length));
    for (let at = 0; at < window.pieces.length;) {
      const piece = window.pieces[at];
      if (piece === undefined) break;
      const end = endOfRegion(window.pieces, at);
      if ((other?.next(at, true, end) ?? end) < end) this.#send(piece);
      else if (same?.next(at, false, end) === end) addRange(ranges, piece);
      at = end;
    }
    this.#loop.wake();
    return ranges;
  }

  /** What was answered is noted: the next window begins. False: there is no such window. */
  goOn(of: Lsn): boolean {
    if (this.#window?.first !== of || this.#window.state !== 'answered') return false;
    this.#window = undefined;
    this.#loop.wake();
    return true;
  }

  #next(): Step {
    const sending = this.#sending[0];
    if (sending !== undefined) {
      const { of, start, end } = sending;
      const copied = this.#copier.copy(of.volume, start, end - start);
      if (copied instanceof Promise) return copied;
      sending.start += copied.length;
      if (sending.start === sending.end) this.#sending.shift();
      return copied.data;
    }
    if (this.#window !== undefined && this.#window.state !== 'open') return 'wait';
    const walked = this.#walked[this.#at];
    if (walked === undefined) return this.#endRound();
    const start = this.#nextTodo(walked);
    if (start === walked.size) {
      this.#at += 1;
      this.#offset = 0;
      return 0;
    }
    return this.#ask(walked, start);
  }

  #endRound(): 'wait' | 'done' | 0 {
    if (this.#window !== undefined) return this.#close(this.#window);
    const isLeft = this.#walked.some(({ todo, size, regionSize }) => {
      const count = regionCount(size, regionSize);
      return todo.next(0, true) < count;
    });
    this.#at = 0;
    return isLeft ? 0 : 'done';
  }

  /** From the offset on, in the middle of a region too. */
  #nextTodo({ todo, size, regionSize }: Walked): number {
    const at = Math.floor(this.#offset / regionSize);
    const first = todo.next(at, true);
    if (first !== at) this.#offset = Math.min(size, first * regionSize);
    return this.#offset;
  }

  /** One record's worth. */
  #ask(walked: Walked, start: number): Step {
    const { volume, size, regionSize, todo } = walked;
    const first = Math.floor(start / regionSize);
    const most = first + Math.ceil(LOOK_BYTES / regionSize);
    const end = Math.min(size, todo.next(first, false, most) * regionSize);
    const [extent] = volume.extents(start, end - start, 1);
    const seen = start + (extent?.length ?? 0);
    const isWhole = start % regionSize === 0;
    const hole = extent?.kind === 'data' || !isWhole ? start : wholeUpTo(seen, walked);
    if (hole > start) {
      volume.appendZero(start, hole - start, RecordFlag.fromVolume);
      for (let region = first; region * regionSize < hole; region += 1) todo.set(region, false);
      this.#offset = hole;
      return 0;
    }
    const data = Math.min(end, Math.ceil(seen / regionSize) * regionSize);
    const length = Math.min(data - start, COMPARE_DATA_MAX);
    const window = this.#window;
    const needed = Math.ceil(Math.max(length, isWhole ? regionSize : 0) / pieceSizeOf(walked));
    if (window !== undefined && window.pieces.length + needed > COMPARE_WINDOW_MAX)
      return this.#close(window);
    const content = this.#content.subarray(0, length);
    this.#reads.expect(volume, start, { known: seen, end });
    const wait = this.#reads.fill(volume, start, content);
    if (wait !== undefined) return wait;
    this.#append(walked, start, content);
    this.#offset += length;
    return length;
  }

  #append(walked: Walked, start: number, content: Buffer): void {
    const { writer } = this.#options;
    const { volume, regionSize } = walked;
    const [pieceSize, length] = [pieceSizeOf(walked), content.length];
    const starts = Array.from({ length: Math.ceil(length / pieceSize) }, (_, i) => i * pieceSize);
    const digests = starts.map((at) => verifyDigest(content.subarray(at, at + pieceSize)));
    const window = (this.#window ??= {
      first: lsn(writer.last + 1),
      last: LSN_NONE,
      pieces: [],
      state: 'open',
    });
    const told = { length, window: window.first, first: window.pieces.length, pieceSize, digests };
    window.last = writer.append({
      kind: RecordKind.compare,
      volume: volume.volumeIndex,
      flags: 0,
      offset: start,
      payload: encodeCompare(told),
    });
    for (const at of starts)
      window.pieces.push({ of: walked, region: Math.floor((start + at) / regionSize) });
  }

  /** Its segment goes over at once: somebody waits for the answer. */
  #close(window: Window): 'wait' {
    const { writer, onAsked } = this.#options;
    window.state = 'asked';
    const close = (): void => {
      if (this.#loop.stopped || writer.failure !== undefined) return;
      const wait = writer.closable();
      if (wait !== undefined) void wait.then(close);
      else {
        writer.close();
        onAsked({ window: window.first, last: window.last, pieces: window.pieces.length });
      }
    };
    close();
    return 'wait';
  }

  #send({ of, region }: Piece): void {
    of.todo.set(region, false);
    this.#sending.push({ of, start: region * of.regionSize, end: wholeEnd(of, region) });
  }
}

/** Bytes of a piece: of a region that is larger than what one record speaks of, a part. */
function pieceSizeOf({ regionSize }: Walked): number {
  return Math.min(regionSize, COMPARE_DATA_MAX);
}

function wholeEnd({ regionSize, size }: Walked, region: number): number {
  return Math.min(size, (region + 1) * regionSize);
}

/** Whole regions before `end`. */
function wholeUpTo(end: number, { regionSize, size }: Walked): number {
  return end >= size ? size : Math.floor(end / regionSize) * regionSize;
}

/** The first piece behind those of the region that the piece at `at` is of. */
function endOfRegion(pieces: readonly Piece[], at: number): number {
  const piece = pieces[at];
  let end = at + 1;
  while (pieces[end]?.of === piece?.of && pieces[end]?.region === piece?.region) end += 1;
  return end;
}

function addRange(ranges: EqualRange[], { of, region }: Piece): void {
  of.todo.set(region, false);
  const [start, end] = [region * of.regionSize, wholeEnd(of, region)];
  const { volumeIndex: volume } = of.volume;
  const before = ranges.at(-1);
  if (before?.volume === volume && before.end === start) ranges[ranges.length - 1] = { ...before, end };
  else ranges.push({ volume, start, end });
}
