/**
 * A link's week. Pure: the same schedule and time give the same answer. Times are milliseconds since 1970.
 *
 * - The wall clock of the schedule's time zone decides, at every moment: a window holds while that clock shows a time in it.
 *   So in the hour that daylight saving skips nothing happens (a window inside it does not take place that day), and what
 *   lies in the hour that comes twice takes place twice.
 * - A window that ends at or before the time at which it begins goes on past midnight; its days are those on which it begins.
 *   One that ends when it begins is empty: it never holds. The whole day is 00:00 to 24:00.
 * - Where windows overlap the one listed last holds, so that a general window can be followed by its exceptions, wider or
 *   narrower ones alike. (The most restrictive one could not be excepted from.)
 * - Outside all windows `outside` holds.
 */
import { sameLimit, type Limit } from './limit.ts';
import { TimeZone } from './zone.ts';

/** Monday is 0, Sunday 6. */
export type Day = 0 | 1 | 2 | 3 | 4 | 5 | 6;

export interface Window {
  readonly days: readonly Day[];
  /** Minutes since midnight: 0 to 1439. */
  readonly from: number;
  /** Minutes since midnight, exclusive: 0 to 1440. */
  readonly to: number;
  readonly limit: Limit;
}

export interface Week {
  readonly timeZone: string;
  readonly windows: readonly Window[];
  readonly outside: Limit;
}

const MINUTE = 60_000;
const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;
const DAY = DAY_MINUTES * MINUTE;
const WEEK = 7 * DAY;
/** 1970 began on a Thursday: the Monday before it. */
const A_MONDAY = -3 * DAY;
/** A window comes every week, or in the week after one in which daylight saving swallowed it. */
const HORIZON = 3 * WEEK;

/** Minutes of the week in which the same limit holds. */
interface Run {
  readonly limit: Limit;
  /** Exclusive. */
  readonly to: number;
}

export class Schedule {
  readonly #zone: TimeZone;
  readonly #runs: readonly Run[];

  /** @throws RangeError when there is no such time zone */
  constructor(week: Week) {
    this.#zone = new TimeZone(week.timeZone);
    this.#runs = runsOf(week);
  }

  limitAt(time: number): Limit {
    return this.#runAt(this.#minuteOfWeek(time)).limit;
  }

  /** The first moment after `time` at which another limit holds than at `time`; undefined when it holds for ever. */
  nextChange(time: number): number | undefined {
    const now = this.limitAt(time);
    return this.#next(time, (limit) => !sameLimit(limit, now));
  }

  /** The first moment from `time` on at which the link is not closed, `time` itself included; undefined when it never is. */
  nextOpening(time: number): number | undefined {
    const isOpen = ({ kind }: Limit): boolean => kind !== 'closed';
    return isOpen(this.limitAt(time)) ? time : this.#next(time, isOpen);
  }

  /** `2026-11-23 18:00 (Europe/Zurich)`, for people. */
  timeText(time: number): string {
    return `${this.#zone.text(time)} (${this.#zone.name})`;
  }

  #next(time: number, isIt: (limit: Limit) => boolean): number | undefined {
    // Most links have one limit for ever.
    if (!this.#runs.some(({ limit }) => isIt(limit))) return undefined;
    for (let at = this.#step(time); at < time + HORIZON; at = this.#step(at)) {
      if (isIt(this.limitAt(at))) return at;
    }
    return undefined;
  }

  /** The next moment at which the limit may be another: a run ends, or the wall clock is put forward or back. */
  #step(time: number): number {
    const position = mod(time + this.#zone.offset(time) - A_MONDAY, WEEK);
    const end = time + this.#runAt(Math.floor(position / MINUTE)).to * MINUTE - position;
    return this.#zone.firstShift(time, end) ?? end;
  }

  #minuteOfWeek(time: number): number {
    return Math.floor(mod(time + this.#zone.offset(time) - A_MONDAY, WEEK) / MINUTE);
  }

  #runAt(minute: number): Run {
    const run = this.#runs.find(({ to }) => minute < to);
    if (run === undefined) throw new RangeError(`${minute} is no minute of a week`);
    return run;
  }
}

/** The week from Monday 00:00, in order. */
function runsOf({ windows, outside }: Week): Run[] {
  const minutes = new Array<Limit>(WEEK_MINUTES).fill(outside);
  for (const { days, from, to, limit } of windows) {
    const length = mod(to - from, DAY_MINUTES) || (to - from === DAY_MINUTES ? DAY_MINUTES : 0);
    for (const day of days) {
      const begin = day * DAY_MINUTES + from;
      for (let minute = begin; minute < begin + length; minute += 1) minutes[minute % WEEK_MINUTES] = limit;
    }
  }
  const ends = minutes.flatMap((limit, minute): Run[] => {
    const next = minutes[minute + 1];
    return next !== undefined && sameLimit(limit, next) ? [] : [{ limit, to: minute + 1 }];
  });
  return ends;
}

function mod(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}
