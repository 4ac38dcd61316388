/** Does things at their times on the wall's clock. What was missed, because the daemon was down, is not made up for. */
import type { MarkerToPlace } from '../api/control.ts';
import type { TimedMarkerConfig, TimedSnapshotsConfig } from '../config/config.ts';
import { nameAt } from '../journal/marker-names.ts';
import { describeError } from '../platform/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { CronTimes } from '../recovery/cron-times.ts';

export interface Entry {
  readonly what: string;
  readonly times: CronTimes;
  readonly act: () => Promise<unknown>;
}

/** A source's markers that place themselves. */
export function markerTimetable(
  markers: readonly TimedMarkerConfig[],
  clock: Clock,
  log: Log,
  place: (marker: MarkerToPlace) => Promise<unknown>,
): Timetable {
  const entries = markers.map(({ kind, name, times, timeZone }): Entry => ({
    what: `${kind} marker`,
    times: new CronTimes(times, timeZone),
    act: () => place({ kind, name: name ?? nameAt(clock.now()) }),
  }));
  return new Timetable(clock, log, entries);
}

/** A destination's snapshots of its own. */
export function snapshotTimetable(
  timed: TimedSnapshotsConfig | undefined,
  clock: Clock,
  log: Log,
  create: () => Promise<unknown>,
): Timetable {
  if (timed === undefined) return new Timetable(clock, log, []);
  const times = new CronTimes(timed.times, timed.timeZone);
  return new Timetable(clock, log, [{ what: 'snapshot', times, act: create }]);
}

/** Milliseconds after which it looks at the wall clock again, which may have been set. */
const LOOK = 30_000;

export class Timetable {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #entries: readonly Entry[];
  readonly #timers = new Map<Entry, { cancel(): void }>();

  constructor(clock: Clock, log: Log, entries: readonly Entry[]) {
    this.#clock = clock;
    this.#log = log;
    this.#entries = entries;
  }

  start(): void {
    const now = this.#clock.now();
    for (const entry of this.#entries) this.#wait(entry, now);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  /** `since`: what was due up to then is done. */
  #wait(entry: Entry, since: number): void {
    const due = entry.times.after(since);
    if (due === undefined) return;
    const delay = Math.max(0, Math.min(LOOK, due - this.#clock.now()));
    this.#timers.set(
      entry,
      this.#clock.after(delay, () => {
        const now = this.#clock.now();
        if (now >= due) this.#do(entry);
        // A clock that was set back has its times once more; one that was set forward has done with what it leapt over.
        this.#wait(entry, now >= due || now < since ? now : since);
      }),
    );
  }

  #do({ what, act }: Entry): void {
    act().catch((error: unknown) => this.#log.warn(`${what} at its time: ${describeError(error)}`));
  }
}
