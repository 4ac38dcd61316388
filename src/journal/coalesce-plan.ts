/**
 * Which segments of a backlog to merge next. Pure.
 *
 * A run is merged only when what it adds to its largest segment is worth reading that again, and a run that gave nothing is
 * looked at again only when it has doubled: so each byte is read a number of times that grows with the logarithm of the
 * backlog at most, while a hot region is never kept much more than once.
 */
import type { SegmentRange } from './names.ts';

/**
 * What ends a segment, as far as merging goes. `marker`: a recovery point, nothing behind it is merged with it. `control`: it
 * holds records whose order counts (attach, resize, the beginning or end of a full copy), and is never merged.
 */
export type SegmentEnd = 'data' | 'marker' | 'control';

export interface BacklogSegment {
  readonly name: string;
  readonly range: SegmentRange;
  readonly bytes: number;
  readonly end: SegmentEnd;
  /** When it was sealed: monotonic milliseconds. */
  readonly sealedAt: number;
}

export interface CoalesceFacts<S extends BacklogSegment> {
  readonly now: number;
  /** In order: no link has begun to send any of them. */
  readonly segments: readonly S[];
  /** Runs that were looked at and not merged: name of the first segment → bytes of the run. */
  readonly tried: ReadonlyMap<string, number>;
  /** Of a merged segment at most. */
  readonly bytesMax: number;
}

/** Milliseconds after which a segment that no link has begun to send is a backlog. */
export const BACKLOG_AGE = 10_000;
/** Fewer are merged only where no more can come to them. */
const SEGMENTS_MIN = 4;
/** So that what a merge leaves to remove is removed in a moment. */
const SEGMENTS_MAX = 256;
/** Of the largest segment: what the others must amount to. What a hot region takes beyond its size, at most. */
const ADDED_MIN = 1 / 16;

interface Run<S> {
  readonly segments: readonly S[];
  readonly bytes: number;
  /** Nothing can be added at its end any more. */
  readonly closed: boolean;
}

/** The segments to merge into one, at least two that follow each other; undefined: there is nothing to do now. */
export function planCoalescing<S extends BacklogSegment>(facts: CoalesceFacts<S>): readonly S[] | undefined {
  for (let from = 0; from < facts.segments.length;) {
    const run = runFrom(from, facts);
    if (isWorthIt(run, facts.tried)) return run.segments;
    if (!run.closed) return undefined;
    from += Math.max(1, run.segments.length);
  }
  return undefined;
}

function runFrom<S extends BacklogSegment>(from: number, facts: CoalesceFacts<S>): Run<S> {
  const taken: S[] = [];
  let bytes = 0;
  for (const segment of facts.segments.slice(from)) {
    const before = taken.at(-1);
    const follows = before === undefined || isNext(before.range, segment.range);
    const fits = bytes + segment.bytes <= facts.bytesMax && taken.length < SEGMENTS_MAX;
    if (!follows || !fits || segment.end === 'control') return { segments: taken, bytes, closed: true };
    if (facts.now - segment.sealedAt < BACKLOG_AGE) break;
    taken.push(segment);
    bytes += segment.bytes;
    if (segment.end === 'marker') return { segments: taken, bytes, closed: true };
  }
  return { segments: taken, bytes, closed: false };
}

function isNext(before: SegmentRange, after: SegmentRange): boolean {
  return before.epoch === after.epoch && before.last + 1 === after.first;
}

function isWorthIt(run: Run<BacklogSegment>, tried: ReadonlyMap<string, number>): boolean {
  const [first] = run.segments;
  if (first === undefined || run.segments.length < 2) return false;
  if (run.segments.length < SEGMENTS_MIN && !run.closed) return false;
  const largest = Math.max(...run.segments.map(({ bytes }) => bytes));
  if (run.bytes - largest < largest * ADDED_MIN) return false;
  return run.bytes >= 2 * (tried.get(first.name) ?? 0);
}
