/**
 * Times that come again, as cron has them: minute, hour, day of the month, month, day of the week, by the wall clock of a
 * time zone. What lies in the hour that daylight saving skips comes at the end of it; at a time of day that comes twice,
 * what is due once a day comes once. Pure: the same pattern and time give the same answer, in milliseconds since 1970.
 */
import { Cron } from 'croner';

export class CronTimes {
  readonly #cron: Cron;

  /** @throws Error that says why it is no pattern, or that its time never comes */
  constructor(pattern: string, timeZone: string) {
    // Names of times, as @daily, hide when they come; more than five fields would be seconds and years.
    if (pattern.includes('@')) throw new TypeError('it has no five fields');
    this.#cron = new Cron(pattern, { mode: '5-part', timezone: timeZone });
    if (this.#cron.nextRun(new Date(0)) === null) throw new RangeError('its time never comes');
  }

  /** The first of these times after `time`; undefined when there is none any more. */
  after(time: number): number | undefined {
    return this.#cron.nextRun(new Date(time))?.getTime();
  }
}
