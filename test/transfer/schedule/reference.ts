/** What a schedule means, written down as plainly as can be, minute by minute: what {@link Schedule} is measured against. */
import fc from 'fast-check';
import type { Limit } from '../../../src/transfer/schedule/limit.ts';
import type { Day, Week, Window } from '../../../src/transfer/schedule/schedule.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What the clock on the wall shows. */
export interface Wall {
  readonly day: Day;
  readonly minute: number;
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** The wall clock of a zone at each minute from `start` on. */
export function wallClock(timeZone: string, start: number, minutes: number): Wall[] {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
  return Array.from({ length: minutes }, (_, index) => {
    const text = format.format(start + index * MINUTE);
    const [, day = '', hour = '', minute = ''] = /^(\w+)\D+(\d\d):(\d\d)$/.exec(text) ?? [];
    return { day: DAYS.indexOf(day) as Day, minute: Number(hour) * 60 + Number(minute) };
  });
}

export function limitOn({ windows, outside }: Week, wall: Wall): Limit {
  return windows.findLast((window) => holds(window, wall))?.limit ?? outside;
}

function holds({ days, from, to }: Window, { day, minute }: Wall): boolean {
  if (from === to) return false;
  if (from < to) return days.includes(day) && minute >= from && minute < to;
  const dayBefore = ((day + 6) % 7) as Day;
  return (days.includes(day) && minute >= from) || (days.includes(dayBefore) && minute < to);
}

const limit = fc.constantFrom<Limit>(
  { kind: 'closed' },
  { kind: 'unlimited' },
  { kind: 'rate', bytesPerSecond: 250_000 },
  { kind: 'rate', bytesPerSecond: 1024 },
  { kind: 'delay', milliseconds: 5000 },
);

/** Edges where clocks are put forward and back more often than chance would have it. */
const minute = fc.oneof(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 45, max: 200 }));

const window: fc.Arbitrary<Window> = fc.record({
  days: fc.uniqueArray(fc.constantFrom<Day>(0, 1, 2, 3, 4, 5, 6), { minLength: 0 }),
  from: minute,
  to: fc.oneof(minute, fc.constant(1440)),
  limit,
});

export const weeks = (timeZone: string): fc.Arbitrary<Week> =>
  fc.record({ timeZone: fc.constant(timeZone), windows: fc.array(window, { maxLength: 6 }), outside: limit });
