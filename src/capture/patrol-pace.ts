/** How fast a scheduled pass goes. Pure. Times are milliseconds. */

/** An idle source ships a segment each time: not more often than once a minute. */
const BURST_INTERVAL = 60_000;
/** Of a pass: a short one goes in no fewer steps than this. */
const BURSTS_MIN = 16;

export interface Pace {
  /** Bytes of all volumes. */
  readonly total: number;
  /** For all of them; 0: at once. */
  readonly every: number;
  readonly elapsed: number;
}

/** Bytes that are to be done by now: always some, and all of them a burst before the pass's end. */
export function bytesDue({ total, every, elapsed }: Pace): number {
  if (every === 0) return Number.POSITIVE_INFINITY;
  return Math.max(1, (total * (elapsed + pauseBetween(every))) / every);
}

/** Until what is due is looked at again. */
export function pauseBetween(every: number): number {
  return Math.min(BURST_INTERVAL, every / BURSTS_MIN);
}
