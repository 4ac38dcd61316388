/** The clock on the wall of a named time zone (IANA), daylight saving included. Times are milliseconds since 1970. */

const HOUR = 3_600_000;
/** No zone changes its offset twice within this time. */
const PROBE = 12 * HOUR;

export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;

  /** @throws RangeError when there is no such zone */
  constructor(name: string) {
    this.name = name;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** Milliseconds that the wall clock is ahead of UTC at `time`. */
  offset(time: number): number {
    const parts = new Map(this.#format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const local = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return local - Math.floor(time / 1000) * 1000;
  }

  /** The first moment after `from`, and not after `to`, that has another offset than `from`. */
  firstShift(from: number, to: number): number | undefined {
    const offset = this.offset(from);
    for (let same = from; same < to;) {
      const probe = Math.min(to, same + PROBE);
      if (this.offset(probe) !== offset) return this.#shiftBetween(same, probe, offset);
      same = probe;
    }
    return undefined;
  }

  /** `2026-11-23 18:00`, as the wall clock shows it. */
  text(time: number): string {
    return new Date(time + this.offset(time)).toISOString().slice(0, 16).replace('T', ' ');
  }

  #shiftBetween(before: number, after: number, offset: number): number {
    let [low, high] = [before, after];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offset(middle) === offset) low = middle;
      else high = middle;
    }
    return high;
  }
}

export function isTimeZone(name: string): boolean {
  try {
    new TimeZone(name);
    return true;
  } catch {
    return false;
  }
}
