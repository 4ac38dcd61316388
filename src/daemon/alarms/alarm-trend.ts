/**
 * How fast a figure moves, and when it will be somewhere: from what was seen of it in the last minutes. Pure. Times are
 * monotonic milliseconds, so that no setting of a clock makes a rate.
 */
export interface Observation {
  readonly at: number;
  readonly value: number;
}

/** Oldest first. */
export type Trend = readonly Observation[];

/** Milliseconds looked back. */
const WINDOW = 120_000;
/** Milliseconds that lie between every other observation at least, which bounds their number. */
const SPACING = 1000;
/** Milliseconds that must have been seen before anything is said of a rate. */
const SPAN_MIN = 10_000;
/** Milliseconds without a look, as on a machine that slept, after which nothing is known of what was before. */
const GAP_MAX = 60_000;
/** Milliseconds: of what takes longer nothing is said. */
const HORIZON = 30 * 24 * 3_600_000;

export function observed(trend: Trend, now: Observation): Trend {
  const last = trend.at(-1);
  if (last === undefined || now.at < last.at || now.at - last.at > GAP_MAX) return [now];
  const kept = trend.filter(({ at }) => now.at - at <= WINDOW);
  const before = kept.at(-2);
  return before !== undefined && now.at - before.at < SPACING ? [...kept.slice(0, -1), now] : [...kept, now];
}

/** By a millisecond: the slope of the line that lies nearest to all that was seen. Undefined: too little was seen. */
export function rateOf(trend: Trend): number | undefined {
  const [first] = trend;
  const last = trend.at(-1);
  if (first === undefined || last === undefined || last.at - first.at < SPAN_MIN) return undefined;
  const mean = (of: (observation: Observation) => number): number =>
    trend.reduce((sum, observation) => sum + of(observation), 0) / trend.length;
  const [at, value] = [mean((seen) => seen.at), mean((seen) => seen.value)];
  const covariance = mean((seen) => (seen.at - at) * (seen.value - value));
  return covariance / mean((seen) => (seen.at - at) ** 2);
}

/** Milliseconds until it is `target` at the present rate; undefined: it does not move, moves away, or nobody knows. */
export function timeTo(trend: Trend, target: number): number | undefined {
  const rate = rateOf(trend);
  const last = trend.at(-1);
  if (rate === undefined || last === undefined) return undefined;
  const left = last.value === target ? 0 : (target - last.value) / rate;
  return left >= 0 && left <= HORIZON ? left : undefined;
}
