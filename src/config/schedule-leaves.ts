/** The settings of a link's schedule, each by itself. Pure. */
import { z } from 'zod';
import { CronTimes } from '../recovery/cron-times.ts';
import type { Limit } from '../transfer/schedule/limit.ts';
import type { Day } from '../transfer/schedule/schedule.ts';
import { isTimeZone } from '../transfer/schedule/zone.ts';
import { leaf, textual, type Leaf } from './leaves.ts';
import { LIMIT_FIX, parseLimit } from './limit-text.ts';
import { COPY_SHARE } from './limits.ts';
import { quote } from './problems.ts';
import type { Parsed } from './units.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const DAYS_FIX = 'write days such as mon, a range such as mon-fri, or a list of them such as [mon-thu, sat]';
const TIME = /^(\d{1,2}):(\d{2})$/;

export function limit(): Leaf<Limit> {
  return textual(LIMIT_FIX, parseLimit);
}

export function timeZone(): Leaf<string> {
  const fix = 'write the name of a time zone, such as Europe/Zurich, America/New_York or UTC';
  return textual(fix, (value) => (isTimeZone(value) ? { value } : { message: 'is no time zone', fix }));
}

/** A pattern that {@link CronTimes} takes. */
export function cron(): Leaf<string> {
  const fix =
    'write minute, hour, day of the month, month and day of the week, as cron has them: 30 2 * * mon-fri';
  return textual(fix, (value) => {
    try {
      new CronTimes(value, 'UTC');
      return { value };
    } catch {
      return { message: 'names no times that come', fix };
    }
  });
}

/** Minutes since midnight, 0 to `last`. */
export function timeOfDay(last: 1439 | 1440): Leaf<number> {
  const fix = `write hours and minutes, 00:00 to ${last === 1440 ? '24:00' : '23:59'}`;
  return leaf(fix, (value) => {
    const [, hours = '', minutes = ''] = TIME.exec(String(value)) ?? [];
    const minute = Number(hours) * 60 + Number(minutes);
    const right = hours !== '' && Number(minutes) < 60 && minute <= last;
    return right ? { value: minute } : { message: `${quote(value)} is no time of day`, fix };
  });
}

/** Percent, written with its sign, as a fraction. */
export function percentage(): Leaf<number> {
  const fix = `write a percentage from ${COPY_SHARE.min} % to ${COPY_SHARE.max} %`;
  return textual(fix, (value) => {
    const percent = Number(/^(\d{1,3}) ?%$/.exec(value)?.[1] ?? Number.NaN);
    return percent >= COPY_SHARE.min && percent <= COPY_SHARE.max
      ? { value: percent / 100 }
      : { message: 'is no such percentage', fix };
  });
}

/** One item, or a list of them. */
export function days(): z.ZodType<Day[]> {
  const item = leaf(DAYS_FIX, (value) => parseDays(value));
  return z.transform((input: unknown, context): Day[] => {
    const items = Array.isArray(input) ? (input as unknown[]) : [input];
    const found = items.flatMap((entry, index): Day[] => {
      const parsed = item.safeParse(entry);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      const fix = issue?.code === 'custom' ? issue.params : undefined;
      const path = Array.isArray(input) ? [index] : [];
      context.issues.push({ code: 'custom', input, message: issue?.message ?? '', path, params: fix });
      return [];
    });
    if (items.length === 0) {
      context.issues.push({ code: 'custom', input, message: 'is an empty list', params: { fix: DAYS_FIX } });
    }
    return [...new Set(found)];
  });
}

function parseDays(value: unknown): Parsed<Day[]> {
  const text = String(value).trim().toLowerCase();
  const [first, last, more] = text.split(/\s*-\s*/).map((name) => DAYS.findIndex((day) => day === name));
  if (first === undefined || first < 0 || (last !== undefined && last < 0) || more !== undefined) {
    return { message: `${quote(value)} names no day`, fix: DAYS_FIX };
  }
  // fri-mon goes over the end of the week.
  const length = (((last ?? first) - first + 7) % 7) + 1;
  return { value: Array.from({ length }, (_, index) => ((first + index) % 7) as Day) };
}
