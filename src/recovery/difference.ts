/**
 * Where volumes differ from a recovery point, and what the point holds there, a step at a time from the first volume's start to
 * the last one's end. What lies behind a step may change between steps; what lies ahead may not.
 */
import type { VolumeIndex } from '../journal/ids.ts';
import { ExtentList } from '../nbd/front-end.ts';
import type { VolumeContent } from '../volume/volume-set.ts';
import type { SnapshotReader } from './snapshot-store.ts';

/** Bytes that are compared at once; no piece is longer. */
const WINDOW = 256 * 1024;
/** Bytes that are the same or not as a whole. */
const BLOCK = 4096;
/** Bytes that one step reads of a volume, and that it passes over without reading. */
const STEP_BYTES = 4 * 1024 * 1024;
const LOOK_BYTES = 1024 * 1024 * 1024;

const ZEROS = Buffer.alloc(WINDOW);

export interface ComparedVolume {
  readonly index: VolumeIndex;
  /** Bytes; behind the point's own size the point counts as zeros. */
  readonly size: number;
  readonly past: SnapshotReader;
  readonly look: <R>(look: (live: Pick<VolumeContent, 'read' | 'nextData'>) => R) => R;
}

/** What the point holds where the volume holds something else. */
export interface DifferingPiece {
  readonly volume: VolumeIndex;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** Undefined: zeros. */
  readonly data: Uint8Array | undefined;
}

export interface DifferenceStep {
  readonly pieces: readonly DifferingPiece[];
  /** Bytes of the volumes that were compared so far, and all. */
  readonly done: number;
  readonly total: number;
  readonly isLast: boolean;
}

/** What was read to get so far, bytes. */
interface Progress {
  readonly read: number;
  readonly done: number;
}

export class Difference {
  readonly #total: number;
  readonly #walk: Generator<DifferingPiece | Progress, void>;

  constructor(volumes: readonly ComparedVolume[]) {
    this.#total = volumes.reduce((sum, { size }) => sum + size, 0);
    this.#walk = walk(volumes);
  }

  /** @throws OperatorError `SNAPSHOT_DAMAGED`, `VOLUME_OFFLINE`, `VOLUME_UNREADABLE`: it is to be begun anew then */
  step(): DifferenceStep {
    const pieces: DifferingPiece[] = [];
    let done = 0;
    for (let read = 0; read < STEP_BYTES;) {
      const next = this.#walk.next();
      if (next.done === true) return { pieces, done: this.#total, total: this.#total, isLast: true };
      if ('volume' in next.value) pieces.push(next.value);
      else {
        read += next.value.read;
        done = next.value.done;
      }
    }
    return { pieces, done, total: this.#total, isLast: false };
  }
}

function* walk(volumes: readonly ComparedVolume[]): Generator<DifferingPiece | Progress, void> {
  const [live, past] = [Buffer.alloc(WINDOW), Buffer.alloc(WINDOW)];
  let before = 0;
  for (const volume of volumes) {
    for (const range of candidates(volume)) {
      for (let at = range.start; at < range.end;) {
        const { end, isZeros } = spanOf(volume, at, range.end);
        const start = isZeros ? Math.min(end, firstData(volume, at)) : at;
        const length = Math.min(WINDOW, end - start);
        if (length > 0) {
          const [now, then] = [live.subarray(0, length), past.subarray(0, length)];
          volume.look((content) => content.read(now, start));
          if (isZeros) then.fill(0);
          else volume.past.read(start, then);
          yield* differing(volume.index, start, { now, then });
        }
        at = start + length;
        yield { read: length, done: before + at };
      }
    }
    before += volume.size;
  }
}

/** Where they may differ, as far as that is known without reading. */
function* candidates({ size, past }: ComparedVolume): Generator<{ start: number; end: number }, void> {
  const shared = Math.min(size, past.size);
  for (let at = 0; at < shared;) {
    const { ranges, end } = past.changed?.(at) ?? { ranges: [{ start: at, end: shared }], end: shared };
    for (const range of ranges) yield { start: range.start, end: Math.min(range.end, shared) };
    at = end;
  }
  if (shared < size) yield { start: shared, end: size };
}

/** Up to where the point is zeros, or data, from here on. */
function spanOf({ past }: ComparedVolume, at: number, limit: number): { end: number; isZeros: boolean } {
  if (at >= past.size) return { end: limit, isZeros: true };
  const list = new ExtentList(1);
  const most = Math.min(LOOK_BYTES, limit - at, past.size - at);
  past.extents(at, most, list);
  const [extent] = list.extents;
  const isZeros = extent !== undefined && extent.kind !== 'data';
  return { end: at + (extent?.length ?? Math.min(WINDOW, most)), isZeros };
}

function firstData({ look }: ComparedVolume, at: number): number {
  const data = look((content) => content.nextData(at));
  return data === undefined ? Infinity : Math.max(at, data.start - (data.start % BLOCK));
}

function* differing(
  volume: VolumeIndex,
  offset: number,
  { now, then }: { readonly now: Buffer; readonly then: Buffer },
): Generator<DifferingPiece, void> {
  if (now.equals(then)) return;
  const isSame = (at: number): boolean => now.subarray(at, at + BLOCK).equals(then.subarray(at, at + BLOCK));
  for (let start = 0; start < then.length;) {
    if (isSame(start)) {
      start += BLOCK;
      continue;
    }
    let end = start + BLOCK;
    while (end < then.length && !isSame(end)) end += BLOCK;
    end = Math.min(end, then.length);
    const data = then.subarray(start, end);
    const isZeros = data.equals(ZEROS.subarray(0, data.length));
    yield {
      volume,
      offset: offset + start,
      length: data.length,
      data: isZeros ? undefined : Uint8Array.from(data),
    };
    start = end;
  }
}
