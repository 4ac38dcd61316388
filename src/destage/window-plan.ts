/**
 * Which applied segments are kept, so that any point in time can be gone back to. Pure.
 *
 * A state between two snapshots is the older one and every segment from there on, so segments stay and go together with the
 * snapshots that they begin at: what no snapshot leads to is of no use.
 */
import type { Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import type { SnapshotFacts } from './snapshots.ts';

export interface WindowLimits {
  /** Milliseconds by the source's clock, back from what is applied. */
  readonly time: number;
  /** Bytes of segments. */
  readonly size: number;
}

export interface KeptSegment {
  readonly range: SegmentRange;
  readonly bytes: number;
}

export type SnapshotPlace = Pick<SnapshotFacts, 'lsn' | 'time'>;

/** Segments that are kept at most. */
export const KEPT_SEGMENTS_MAX = 100_000;

/** A window is given up piece by piece, from one snapshot to the next: it has so many of them at least. */
const PIECES_MIN = 8;
/** More of them would not make looking quicker by much. */
const PIECES_MAX = 100;
/** Bytes and milliseconds between snapshots: what has to be looked through to open a point in time at once. */
const PIECE_SIZE = 1024 * 1024 * 1024;
const PIECE_TIME = 3_600_000;

/** Up to where segments are applied, and what is kept of them at most. */
export interface WindowEnd {
  readonly limits: WindowLimits;
  readonly applied: Lsn;
  readonly appliedTime: number;
}

/** How many of the oldest go. `segments` and `snapshots`: oldest first. */
export function surplus(
  segments: readonly KeptSegment[],
  snapshots: readonly SnapshotPlace[],
  { limits, applied, appliedTime }: WindowEnd,
): number {
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let gone = 0;
  const goUpTo = (lsn: number): void => {
    for (let next = segments[gone]; next !== undefined && next.range.last <= lsn; next = segments[gone]) {
      bytes -= next.bytes;
      gone += 1;
    }
  };
  const usable = leadingOn(segments, snapshots, applied);
  for (const [number, { lsn }] of usable.entries()) {
    goUpTo(lsn);
    const isTooMuch = bytes > limits.size || segments.length - gone > KEPT_SEGMENTS_MAX;
    const next = usable[number + 1];
    const isTooOld = next !== undefined && next.time <= appliedTime - limits.time;
    if (!isTooMuch && !isTooOld) return gone;
  }
  return segments.length;
}

/** What leads on from a snapshot, or from within what a segment covers, without a hole. `segments`: oldest first. */
export function behind<T extends Pick<KeptSegment, 'range'>>(segments: readonly T[], start: Lsn): T[] {
  const run: T[] = [];
  let at: number = start;
  for (const segment of segments) {
    if (segment.range.last <= at) continue;
    if (segment.range.first > at + 1) break;
    run.push(segment);
    at = segment.range.last;
  }
  return run;
}

/** Where the window begins; undefined: there is none. */
export function windowStart<T extends SnapshotPlace>(
  segments: readonly KeptSegment[],
  snapshots: readonly T[],
  applied: Lsn,
): T | undefined {
  return leadingOn(segments, snapshots, applied)[0];
}

/** Whether a snapshot is to be made at what is applied, for the window to go on from. */
export function isSnapshotDue(
  segments: readonly KeptSegment[],
  snapshots: readonly SnapshotPlace[],
  { limits, applied, appliedTime }: WindowEnd,
): boolean {
  const newest = leadingOn(segments, snapshots, applied).at(-1);
  if (newest === undefined) return true;
  const { size, time } = pieceOf(limits);
  let bytes = 0;
  let at: number = applied;
  for (let next = segments.length - 1; next >= 0 && at > newest.lsn; next -= 1) {
    const segment = segments[next];
    // Some of it is not kept: nothing leads on from the newest.
    if (segment?.range.last !== at) return true;
    bytes += segment.bytes;
    at = segment.range.first - 1;
  }
  return bytes >= size || (bytes > 0 && appliedTime - newest.time >= time);
}

function pieceOf({ size, time }: WindowLimits): WindowLimits {
  return {
    size: Math.min(size / PIECES_MIN, Math.max(PIECE_SIZE, size / PIECES_MAX)),
    time: Math.min(time / PIECES_MIN, Math.max(PIECE_TIME, time / PIECES_MAX)),
  };
}

/** Those from which the segments lead on to what is applied without a hole. */
function leadingOn<T extends SnapshotPlace>(
  segments: readonly KeptSegment[],
  snapshots: readonly T[],
  applied: Lsn,
): readonly T[] {
  const first = segments[0]?.range.first ?? applied + 1;
  return snapshots.filter(({ lsn }) => lsn >= first - 1);
}
