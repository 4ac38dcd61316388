/** Looks at a group every second: logs what it waits for, once when it is raised and once when it is cleared, and tells it. */
import type { DestinationGroupStatus, SourceStatus } from '../../api/contract/status.ts';
import type { Config } from '../../config/config.ts';
import type { Clock, Timer } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import type { Severity } from '../../platform/wait-facts.ts';
import { AlarmHook } from './alarm-hook.ts';
import { nextAlarms, type Alarm, type AlarmChange, type KnownAlarms } from './alarm-changes.ts';
import { GroupWatch } from './alarm-watch.ts';
import type { RunningGroup } from '../running-group.ts';

/** Milliseconds between two looks. */
const INTERVAL = 1000;

const LEVELS = { info: 'info', warning: 'warn', error: 'error' } as const satisfies Record<
  Severity,
  keyof Log
>;

type GroupStatus = SourceStatus | DestinationGroupStatus;

export interface GroupAlarmsOptions {
  readonly clock: Clock;
  /** The group's. */
  readonly log: Log;
  /** Milliseconds; undefined: none. */
  readonly objective: () => number | undefined;
  readonly status: () => Promise<GroupStatus>;
  /** Only of what did not come and go at once. */
  readonly onChange: (change: AlarmChange) => void;
}

export class GroupAlarms {
  readonly #options: GroupAlarmsOptions;
  readonly #watch: GroupWatch;
  #known: KnownAlarms = new Map();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: GroupAlarmsOptions) {
    this.#options = options;
    this.#watch = new GroupWatch(options.clock, options.objective);
  }

  start(): void {
    this.#timer = this.#options.clock.after(INTERVAL, () => {
      void this.#look().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  /** The group's, with what is known of it beside. */
  async status(): Promise<GroupStatus> {
    return this.#watch.complete(await this.#options.status());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Of a group that does not say how it is, nothing has changed. */
  async #look(): Promise<void> {
    const { clock, log, onChange } = this.#options;
    try {
      const standing = alarmsOf(await this.status());
      if (this.#stopped) return;
      const { known, logged, told } = nextAlarms(this.#known, standing, clock.monotonic());
      this.#known = known;
      for (const change of logged) this.#say(change);
      for (const change of told) onChange(change);
    } catch (error) {
      log.debug(`alarms cannot be looked for: ${describeError(error)}`);
    }
  }

  #say({ kind, alarm: { destination, wait } }: AlarmChange): void {
    const { code, severity, message, since, endsAt } = wait;
    const what = kind === 'raise' ? 'alarm' : 'alarm over';
    const times = {
      since: new Date(since).toISOString(),
      ...(kind === 'raise' && { ends: endsAt === null ? 'not known' : new Date(endsAt).toISOString() }),
    };
    const { log } = this.#options;
    log[LEVELS[severity]](`${what}: ${message}`, { code, destination, ...times });
  }
}

/** Of all groups: their statuses, with what is known of them beside. */
export class Alarms {
  readonly #groups: readonly GroupAlarms[];
  readonly #hook: AlarmHook | undefined;
  #objectives: ReadonlyMap<string, number | undefined>;

  constructor(
    { clock, processes }: Pick<Platform, 'clock' | 'processes'>,
    child: (part: string) => Log,
    config: Pick<Config, 'alarms' | 'groups'>,
    groups: readonly Pick<RunningGroup, 'name' | 'status'>[],
  ) {
    const hook = config.alarms && new AlarmHook(processes, child('alarms'), config.alarms);
    this.#hook = hook;
    this.#objectives = objectivesOf(config);
    this.#groups = groups.map((group) => {
      const { name } = group;
      const objective = (): number | undefined => this.#objectives.get(name);
      const onChange = (change: AlarmChange): void => hook?.push({ ...change, group: name });
      const status = (): Promise<GroupStatus> => group.status();
      return new GroupAlarms({ clock, log: child(name), objective, status, onChange });
    });
  }

  start(): void {
    for (const group of this.#groups) group.start();
  }

  configure(config: Pick<Config, 'groups'>): void {
    this.#objectives = objectivesOf(config);
  }

  statuses(): Promise<readonly GroupStatus[]> {
    return Promise.all(this.#groups.map((group) => group.status()));
  }

  async stop(): Promise<void> {
    for (const group of this.#groups) group.stop();
    await this.#hook?.stop();
  }
}

function objectivesOf({ groups }: Pick<Config, 'groups'>): ReadonlyMap<string, number | undefined> {
  return new Map(groups.map(({ name, objective }) => [name, objective]));
}

function alarmsOf(status: GroupStatus): Alarm[] {
  const streams = status.role === 'source' ? status.streams : [];
  return [
    ...status.waits.map((wait) => ({ destination: undefined, wait })),
    ...streams.flatMap(({ destination, waits }) => waits.map((wait) => ({ destination, wait }))),
  ];
}
