/** Links that open, close or change at the moment near which a run begins: midnight, or a change of daylight saving. */
import type { Day, Week, Window } from '../../src/transfer/schedule/schedule.ts';
import type { Dice } from './platform/dice.ts';

const ALL: readonly Day[] = [0, 1, 2, 3, 4, 5, 6];
const DAY_MINUTES = 24 * 60;
const ZURICH = 'Europe/Zurich';

/** The time at which a run's clock soon arrives, and what a clock on the wall shows then: minutes since midnight. */
interface Turn {
  readonly time: number;
  readonly timeZone: string;
  readonly before: number;
  readonly after: number;
}

const TURNS: readonly Turn[] = [
  { time: Date.UTC(2026, 10, 21), timeZone: 'UTC', before: DAY_MINUTES, after: 0 },
  { time: Date.UTC(2026, 11, 31, 23), timeZone: ZURICH, before: DAY_MINUTES, after: 0 },
  { time: Date.UTC(2026, 2, 29, 1), timeZone: ZURICH, before: 120, after: 180 },
  { time: Date.UTC(2026, 9, 25, 1), timeZone: ZURICH, before: 180, after: 120 },
];

export function makeSchedule(dice: Dice): { readonly week: Week; readonly wallStart: number } {
  const { time, timeZone, before, after } = dice.pick(TURNS);
  const open = dice.pick<Week['outside']>([
    { kind: 'unlimited' },
    { kind: 'rate', bytesPerSecond: dice.between(50_000, 400_000) },
    { kind: 'delay', milliseconds: dice.between(100, 500) },
  ]);
  const closed = { kind: 'closed' } as const;
  const minutes = dice.between(1, 6);
  const window = (from: number, to: number, limit: Week['outside']): Window => ({
    days: ALL,
    from,
    to,
    limit,
  });
  const weeks: readonly Omit<Week, 'timeZone'>[] = [
    // Opens then; closes then; the same said the other way round; another limit from then on.
    { windows: [window(before - minutes, before, closed)], outside: open },
    { windows: [window(after, after + minutes, closed)], outside: open },
    { windows: [window(after + minutes, after, open)], outside: closed },
    { windows: [window(after, after + minutes, { kind: 'rate', bytesPerSecond: 60_000 })], outside: open },
    // In spring no clock ever shows these times.
    { windows: [window(130, 170, closed)], outside: open },
  ];
  return { week: { timeZone, ...dice.pick(weeks) }, wallStart: time - dice.below(8000) };
}
