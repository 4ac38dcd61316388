/** When a source that replicates on an interval cuts its next point. Pure. */
import type { Lsn } from '../../journal/ids.ts';

export interface IntervalFacts {
  /** Monotonic milliseconds. */
  readonly now: number;
  readonly dueAt: number;
  /** Nothing of the delta before is still to be cut, read or sealed. */
  readonly isIdle: boolean;
  /** Something was written since the delta before. */
  readonly isChanged: boolean;
  /** A destination that has all that was shipped is consistent: false when a delta was given up on its way. */
  readonly isConsistent: boolean;
  /** The end of the delta before. */
  readonly ended: Lsn;
  /** What every destination has applied; undefined: there are none. */
  readonly applied: Lsn | undefined;
}

/** `skip`: the delta before is still on its way. `pass`: there is nothing to bring over. */
export type IntervalDecision = 'wait' | 'cut' | 'skip' | 'pass';

export function intervalDecision(facts: IntervalFacts): IntervalDecision {
  if (facts.now < facts.dueAt) return 'wait';
  if (!facts.isIdle) return 'skip';
  // What the destinations have of one that was given up is no recovery point: there is nothing to wait for.
  if (!facts.isConsistent) return 'cut';
  if (facts.applied !== undefined && facts.applied < facts.ended) return 'skip';
  return facts.isChanged ? 'cut' : 'pass';
}

/**
 * Milliseconds until the first point after a start: as if there had been none, as far as the wall clock can be believed.
 * `before`: its time at the point of the delta before, milliseconds since 1970.
 */
export function firstDue({
  every,
  now,
  before,
}: {
  readonly every: number;
  readonly now: number;
  readonly before: number;
}): number {
  return Math.max(0, Math.min(every, before + every - now));
}
