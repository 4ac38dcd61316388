/** What a fetcher takes out of the other side's outbox, and what it removes there. Pure; times are monotonic milliseconds. */
import type { Lsn } from '../journal/ids.ts';
import { compareRanges, parseSealedName, type SegmentRange } from '../journal/names.ts';
import { againPause } from './planner.ts';
import { SEGMENT_SIZE_MAX } from './receiver/limits.ts';

export interface OfferedSegment {
  readonly name: string;
  readonly range: SegmentRange;
  readonly bytes: number;
}

/** A segment that this process fetched and that is not received. */
export interface Fetched {
  readonly at: number;
  readonly times: number;
}

export interface FetchFacts {
  readonly now: number;
  /** In order. */
  readonly offered: readonly OfferedSegment[];
  readonly received: Lsn;
  /** File names in the inbox. */
  readonly here: ReadonlySet<string>;
  /** Names of segments under way now. */
  readonly fetching: Pick<ReadonlySet<string>, 'has'>;
  readonly fetched: ReadonlyMap<string, Fetched>;
  /** Bytes that may be begun. */
  readonly room: number;
  /** How many may be begun. */
  readonly slots: number;
}

export interface FetchPlan {
  /** To begin now, the earliest first. */
  readonly begin: readonly OfferedSegment[];
  /** The first that there is no room for. */
  readonly tooLarge: OfferedSegment | undefined;
}

/** Of a listing that nobody vouches for (I12) what may be segments, in the journal's order. */
export function offeredSegments(
  listing: readonly { readonly name: string; readonly size: number }[],
): OfferedSegment[] {
  const segments = listing.flatMap(({ name, size }) => {
    const range = parseSealedName(name);
    const mayBe = range !== undefined && size > 0 && size <= SEGMENT_SIZE_MAX;
    return mayBe ? [{ name, range, bytes: size }] : [];
  });
  return segments.sort((a, b) => compareRanges(a.range, b.range));
}

/**
 * In order, so that what comes next is never held up by what comes later: where that has no room, nothing behind it is begun.
 * What was fetched, and is neither received nor in the inbox any more, was refused: it is fetched again, more and more seldom.
 */
export function planFetch(facts: FetchFacts): FetchPlan {
  const { fetching, here, now, slots } = facts;
  const begin: OfferedSegment[] = [];
  let { room } = facts;
  for (const segment of uncovered(facts.offered, facts.received)) {
    if (begin.length >= slots) break;
    if (fetching.has(segment.name) || here.has(segment.name)) continue;
    const before = facts.fetched.get(segment.name);
    if (before !== undefined && now - before.at < againPause(before.times)) continue;
    if (segment.bytes > room) return { begin, tooLarge: segment };
    room -= segment.bytes;
    begin.push(segment);
  }
  return { begin, tooLarge: undefined };
}

/** What `received` does not cover yet. */
export function uncovered(offered: readonly OfferedSegment[], received: Lsn): OfferedSegment[] {
  return offered.filter(({ range }) => range.last > received);
}

/** I5: what may go from the outbox, by a status that says so and lies at the server. */
export function covered(offered: readonly OfferedSegment[], confirmed: Lsn): OfferedSegment[] {
  return offered.filter(({ range }) => range.last <= confirmed);
}
