/** What a link's schedule lets through, told independently of the code under test, and whether it keeps to it. */
import type { Week } from '../../../src/transfer/schedule/schedule.ts';
import type { Machine } from '../platform/machine.ts';
import { Violation } from './violation.ts';

type Limit = Week['outside'];

/** Milliseconds: a timer comes on the millisecond, clocks are rounded to it. */
const SLACK = 20;
/** Milliseconds after which a link looks at the wall clock again: one that was put forward is noticed then by what is under way. */
const LOOK = 60_000;
/** Bytes that may go out at once besides what the rate gives: half a second of it, at most a segment. */
const BURST_SECONDS = 0.5;

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export class Hours {
  readonly #week: Week;
  readonly #format: Intl.DateTimeFormat;
  #known: { readonly minute: number; readonly limit: Limit } | undefined;

  constructor(week: Week) {
    this.#week = week;
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone: week.timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  }

  /** At this time, milliseconds since 1970, by what a clock on the wall shows then. */
  at(time: number): Limit {
    const minute = Math.floor(time / 60_000);
    if (this.#known?.minute !== minute) this.#known = { minute, limit: this.#look(time) };
    return this.#known.limit;
  }

  #look(time: number): Limit {
    const parts = Object.fromEntries(
      this.#format.formatToParts(time).map(({ type, value }) => [type, value]),
    );
    const day = DAYS.indexOf(parts['weekday']!);
    const minute = Number(parts['hour']) * 60 + Number(parts['minute']);
    const holding = this.#week.windows.findLast(({ days, from, to }) => {
      const isOf = (which: number): boolean => days.some((one) => one === which);
      if (from < to) return isOf(day) && minute >= from && minute < to;
      return from !== to && ((isOf(day) && minute >= from) || (isOf((day + 6) % 7) && minute < to));
    });
    return holding?.limit ?? this.#week.outside;
  }
}

/** Stands at the line to the server. */
export class LineWatch {
  readonly #hours: Hours;
  readonly #machine: Machine;
  readonly #fail: (violation: Violation) => void;
  readonly #burstMax: number;
  #allowed = 0;
  #countedAt = 0;
  #rate = 0;
  #files = 0;
  #endedAt = Number.NEGATIVE_INFINITY;
  #jumps: { readonly at: number; readonly by: number }[] = [];

  /** `burstMax`: bytes of a segment. `machine`: the source's. */
  constructor(week: Week, burstMax: number, machine: Machine, fail: (violation: Violation) => void) {
    this.#hours = new Hours(week);
    this.#machine = machine;
    this.#burstMax = burstMax;
    this.#fail = fail;
  }

  get isOpen(): boolean {
    return this.#hours.at(this.#machine.wall()).kind !== 'closed';
  }

  /** The source's program died: a new one knows nothing of what the last one sent. */
  begin(): void {
    this.#files = 0;
    this.#endedAt = Number.NEGATIVE_INFINITY;
    this.#rate = 0;
  }

  /** The wall clock was set, milliseconds. */
  jumped(by: number): void {
    this.#jumps.push({ at: this.#machine.loop.now, by });
  }

  /** Something goes over the line. */
  used(): void {
    this.#jumps = this.#jumps.filter(({ at }) => this.#machine.loop.now - at < LOOK);
    const wall = this.#machine.wall();
    // Of several, the first may have been noticed and those behind it not.
    const unnoticed = this.#jumps.map((_, i) => this.#jumps.slice(i).reduce((sum, { by }) => sum + by, 0));
    const times = [wall, wall - SLACK, ...unnoticed.filter((by) => by > 0).map((by) => wall - by)];
    if (times.every((time) => this.#hours.at(time).kind === 'closed'))
      this.#fail(new Violation('schedule-closed', 'the link is used while its schedule has it closed'));
  }

  /** So many bytes of replication files went over it. */
  sent(bytes: number): void {
    this.used();
    const limit = this.#hours.at(this.#machine.wall());
    const rate = limit.kind === 'rate' ? limit.bytesPerSecond : 0;
    const burst = Math.min(this.#burstMax, Math.max(1024, rate * BURST_SECONDS));
    const now = this.#machine.loop.now;
    if (rate !== this.#rate) this.#allowed = burst;
    else this.#allowed = Math.min(burst, this.#allowed + (rate * (now - this.#countedAt)) / 1000);
    this.#rate = rate;
    this.#countedAt = now;
    if (rate === 0) return;
    this.#allowed -= bytes;
    // Bytes are granted before they are on the line, of several files at once.
    if (this.#allowed < -2 * burst - 1024)
      this.#fail(new Violation('schedule-rate', `more goes over the link than ${rate} bytes a second`));
  }

  fileBegins(): void {
    this.used();
    const limit = this.#hours.at(this.#machine.wall());
    const wasDelayed = this.#hours.at(this.#machine.wall() - SLACK).kind === 'delay';
    this.#files += 1;
    if (limit.kind !== 'delay' || !wasDelayed) return;
    if (this.#machine.loop.now - this.#endedAt < limit.milliseconds - SLACK)
      this.#fail(new Violation('schedule-delay', `a file begins before ${limit.milliseconds} ms are over`));
  }

  fileEnds(): void {
    this.#files = Math.max(0, this.#files - 1);
    this.#endedAt = this.#machine.loop.now;
  }
}
