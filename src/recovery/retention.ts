/**
 * Which snapshots a side keeps. Pure.
 *
 * The rules add up: a snapshot goes when none of them wants it. `last` wants so many of the newest; `hourly` wants the
 * newest of each of so many hours that have one, and so do `daily`, `weekly` (ISO weeks, from Monday), `monthly` and
 * `yearly`, as the clock on the wall shows them. The newest recovery point is always wanted, and so is every snapshot that
 * somebody gave a name. `maximum` then takes the oldest of the others until so many are left.
 */
import { isNameOfTime } from '../journal/marker-names.ts';
import type { SnapshotInfo } from './snapshot-store.ts';

export const RETENTION_PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type RetentionPeriod = (typeof RETENTION_PERIODS)[number];

/** How many each rule wants, 0 = none. */
export interface RetentionPolicy extends Readonly<Record<RetentionPeriod, number>> {
  readonly last: number;
  /** Snapshots in all, named ones counted; undefined: as many as there may be. */
  readonly maximum: number | undefined;
}

export interface RetentionVerdict {
  readonly snapshot: SnapshotInfo;
  readonly keep: boolean;
  /** In words: the rules that want it, or what takes it. */
  readonly why: string;
}

const DAY = 86_400_000;

/**
 * Of every snapshot, newest first, whether it is kept. `wallClock`: UTC milliseconds → milliseconds on the wall's clock.
 * A policy that wants nothing keeps everything, up to its maximum.
 */
export function judgeRetention(
  snapshots: readonly SnapshotInfo[],
  policy: RetentionPolicy,
  wallClock: (time: number) => number,
): RetentionVerdict[] {
  const newestFirst = snapshots.toSorted((a, b) => b.lsn - a.lsn);
  const reasons = newestFirst.map((snapshot, age) => ownReasons(snapshot, age, policy));
  for (const period of RETENTION_PERIODS) {
    const wanted = newestOfEach(newestFirst, (time) => periodOf(period, wallClock(time)), policy[period]);
    for (const age of wanted) reasons[age]?.push(period);
  }
  const kept = reasons.filter((some) => some.length > 0).length;
  let surplus = Math.max(0, kept - (policy.maximum ?? Infinity));
  const verdicts = newestFirst.map((snapshot, age): RetentionVerdict => {
    const some = reasons[age] ?? [];
    return { snapshot, keep: some.length > 0, why: some.length > 0 ? some.join(', ') : 'no rule wants it' };
  });
  return verdicts
    .reverse()
    .map((verdict, index) => {
      const newest = index === verdicts.length - 1;
      if (surplus === 0 || !verdict.keep || newest || isNamed(verdict.snapshot)) return verdict;
      surplus -= 1;
      return { ...verdict, keep: false, why: `more than ${policy.maximum} (else kept: ${verdict.why})` };
    })
    .reverse();
}

function ownReasons(snapshot: SnapshotInfo, age: number, policy: RetentionPolicy): string[] {
  const wantsNothing = policy.last === 0 && RETENTION_PERIODS.every((period) => policy[period] === 0);
  return [
    ...(age === 0 ? ['the newest'] : []),
    ...(isNamed(snapshot) ? ['it has a name of its own'] : []),
    ...(age < policy.last ? [`the last ${policy.last}`] : []),
    ...(wantsNothing ? ['no rule is set'] : []),
  ];
}

function isNamed({ name }: SnapshotInfo): boolean {
  return !isNameOfTime(name);
}

/** Indices of the newest snapshot of each of the `count` newest periods that have one. */
function newestOfEach(
  newestFirst: readonly SnapshotInfo[],
  period: (time: number) => number,
  count: number,
): number[] {
  const seen = new Set<number>();
  return newestFirst.flatMap(({ time }, age) => {
    const number = period(time);
    if (seen.has(number) || seen.size === count) return [];
    seen.add(number);
    return [age];
  });
}

/** The number of the period that a moment on the wall's clock lies in, counted from some beginning. */
function periodOf(period: RetentionPeriod, wall: number): number {
  const date = new Date(wall);
  switch (period) {
    case 'hourly':
      return Math.floor(wall / 3_600_000);
    case 'daily':
      return Math.floor(wall / DAY);
    case 'weekly':
      // 1970 began on a Thursday.
      return Math.floor((wall / DAY + 3) / 7);
    case 'monthly':
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    case 'yearly':
      return date.getUTCFullYear();
  }
}
