/**
 * Rehearsals of a recovery: a recovery point is mounted on a scratch file, the group's check is run on it, and what came of
 * it and how long it took is remembered, while replication goes on.
 */
import type { MountEntry } from '../../api/contract/mounts.ts';
import { uriOf } from '../../api/contract/nbd-uri.ts';
import {
  TAIL_LINE_LENGTH_MAX,
  TAIL_LINES_MAX,
  type Rehearsal,
  type RehearsalProgress,
  type RehearsalsStatus,
} from '../../api/contract/rehearsals.ts';
import type { RehearsalConfig } from '../../config/config.ts';
import { outcomeOf, variableName, type MarkerOutcome } from '../../destage/marker-runner.ts';
import { describeError, errorCode, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import type { CommandResult } from '../../platform/processes.ts';
import type { Wait } from '../../platform/waits.ts';
import type { WantedPoint } from '../../recovery/choose-point.ts';
import { CronTimes } from '../../recovery/cron-times.ts';
import type { Mounts } from '../snapshots/mounts.ts';
import { readRehearsalFile, writeRehearsalFile, type RehearsalFile } from './rehearsal-file.ts';
import { Timetable } from '../timetable.ts';

/** Whatever there is, up to what is applied. */
const NEWEST: WantedPoint = { kind: 'lsn', lsn: Number.MAX_SAFE_INTEGER };
/** Characters of a reason that are kept. */
const FAILURE_LENGTH_MAX = 500;

export interface RehearsingOptions {
  readonly platform: Pick<Platform, 'clock' | 'files' | 'processes'>;
  readonly log: Log;
  readonly group: string;
  /** The group's. */
  readonly folder: string;
  readonly rehearsal: RehearsalConfig;
  readonly mounts: Pick<Mounts, 'mount' | 'unmount'>;
  /** @throws OperatorError where there is no such point */
  readonly check: (point: WantedPoint) => Promise<void>;
}

/** What it is of, and when it began by the monotonic clock. */
interface Current {
  readonly number: number;
  readonly beganAt: number;
  readonly began: number;
}

export class Rehearsing {
  readonly #options: RehearsingOptions;
  readonly #timetable: Timetable;
  readonly #stop = new AbortController();
  #file: RehearsalFile;
  #current: Current | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RehearsingOptions) {
    this.#options = options;
    const { platform, log, rehearsal } = options;
    this.#file = readOrSay(options);
    const { timed } = rehearsal;
    const times = timed && new CronTimes(timed.times, timed.timeZone);
    const act = (): Promise<number> => Promise.resolve().then(() => this.#begin(NEWEST));
    this.#timetable = new Timetable(
      platform.clock,
      log,
      times === undefined ? [] : [{ what: 'rehearsal', times, act }],
    );
  }

  start(): void {
    this.#timetable.start();
  }

  /**
   * Begins one of a point, or of the newest; answers its number.
   * @throws OperatorError `REHEARSAL_UNDER_WAY`, and as `check` does: it was no rehearsal
   */
  async begin(wanted: WantedPoint | undefined): Promise<number> {
    const point = wanted ?? NEWEST;
    await this.#options.check(point);
    return this.#begin(point);
  }

  /** @throws OperatorError `REHEARSAL_GONE` */
  progress(number: number): RehearsalProgress {
    if (this.#current?.number === number) return { state: 'under-way' };
    const { proven, failed } = this.#file;
    const rehearsal = [proven, failed].find((ended) => ended?.number === number);
    if (rehearsal !== undefined) return { state: 'ended', rehearsal };
    const message = `nothing is known of rehearsal ${number} of group ${this.#options.group}`;
    throw new OperatorError('REHEARSAL_GONE', message, {
      remedy: 'blockferry ended before it did, or there were others since: begin another one',
    });
  }

  status(): RehearsalsStatus {
    const { proven, failed } = this.#file;
    return {
      ...(this.#current && { current: { number: this.#current.number, beganAt: this.#current.beganAt } }),
      ...(proven && { proven }),
      ...(failed && { failed }),
    };
  }

  /** That the newest failed. */
  waits(): Wait[] {
    const { failed, failingSince: since } = this.#file;
    if (failed === undefined || since === undefined) return [];
    const { point, failure, output } = failed;
    const what = point === undefined ? 'a rehearsal' : `the rehearsal of LSN ${point.lsn}`;
    const last = output.at(-1);
    const said = last === undefined ? '' : `; the last that it printed: ${last}`;
    return [{ code: 'rehearsal-failed', message: `${what} failed: ${failure ?? ''}${said}`, since }];
  }

  /** Ends one that is under way, of which then nothing is remembered. */
  async stop(): Promise<void> {
    this.#timetable.stop();
    this.#stop.abort();
    await this.#running;
  }

  #begin(point: WantedPoint): number {
    const { clock } = this.#options.platform;
    if (this.#current !== undefined) throw underWay(this.#options.group);
    const { proven, failed } = this.#file;
    const beganAt = Math.round(clock.now());
    // Also behind a clock that was set back no two have the same.
    const number = Math.max(beganAt, (proven?.number ?? 0) + 1, (failed?.number ?? 0) + 1);
    const current = { number, beganAt, began: clock.monotonic() };
    this.#current = current;
    this.#running = this.#run(current, point).finally(() => (this.#current = undefined));
    return number;
  }

  async #run(current: Current, point: WantedPoint): Promise<void> {
    const { log, mounts } = this.#options;
    let mounted: MountEntry;
    try {
      mounted = await mounts.mount({ point, writable: true });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const failure = `no recovery point could be mounted: ${describeError(error)}`;
      this.#note({ ...this.#ended(current), failure: failure.slice(0, FAILURE_LENGTH_MAX), output: [] });
      return;
    }
    const { name: mount, lsn, time } = mounted;
    const { endedAfter: mountedAfter } = this.#ended(current);
    const output: string[] = [];
    const outcome = await this.#check(current, mounted, output);
    const rehearsal = { ...this.#ended(current), point: { mount, lsn, time }, mountedAfter, output };
    await mounts.unmount(mount).catch((error: unknown) => {
      // Somebody else's word was enough.
      if (errorCode(error) !== 'MOUNT_NOT_FOUND')
        log.error(`what was rehearsed on cannot be unmounted: ${describeError(error)}`, { mount });
    });
    if (outcome.kind === 'aborted') log.warn('a rehearsal ends with blockferry', { mount });
    else if (outcome.kind !== 'failed') this.#note(rehearsal);
    else this.#note({ ...rehearsal, failure: `the check ${outcome.failure}`.slice(0, FAILURE_LENGTH_MAX) });
  }

  async #check(current: Current, mounted: MountEntry, output: string[]): Promise<MarkerOutcome> {
    const { platform, log, rehearsal } = this.#options;
    if (this.#stop.signal.aborted) return { kind: 'aborted' };
    log.info(`the check of a rehearsal starts: ${rehearsal.run[0]}`, { mount: mounted.name });
    const result = await platform.processes
      .run({
        argv: rehearsal.run,
        environment: this.#environment(current, mounted),
        timeLimit: rehearsal.timeLimit,
        onLine: (line) => {
          log.info(`rehearsal: ${line}`, { mount: mounted.name });
          output.push(line.slice(0, TAIL_LINE_LENGTH_MAX));
          if (output.length > TAIL_LINES_MAX) output.shift();
        },
        signal: this.#stop.signal,
      })
      .catch((error: unknown): CommandResult => ({ kind: 'not-started', reason: describeError(error) }));
    return outcomeOf(result, rehearsal);
  }

  #environment({ number }: Current, mounted: MountEntry): Record<string, string> {
    const uris = mounted.exports.map(({ volume, name }) => {
      return [`BLOCKFERRY_URI_${variableName(volume)}`, uriOf(mounted, name)] as const;
    });
    return {
      BLOCKFERRY_GROUP: this.#options.group,
      BLOCKFERRY_REHEARSAL: String(number),
      BLOCKFERRY_LSN: String(mounted.lsn),
      BLOCKFERRY_TIME: new Date(mounted.time).toISOString(),
      BLOCKFERRY_VOLUMES: mounted.exports.map(({ volume }) => volume).join(' '),
      ...Object.fromEntries(uris),
    };
  }

  #ended({ number, beganAt, began }: Current): Pick<Rehearsal, 'number' | 'beganAt' | 'endedAfter'> {
    return { number, beganAt, endedAfter: Math.round(this.#options.platform.clock.monotonic() - began) };
  }

  /** What cannot be written down is told until blockferry ends. */
  #note(rehearsal: Rehearsal): void {
    const { platform, folder, log } = this.#options;
    const { failure, point, endedAfter } = rehearsal;
    const fields = { lsn: point?.lsn, milliseconds: endedAfter };
    const { failed, proven, failingSince } = this.#file;
    if (failure === undefined) {
      log.info('a rehearsal passed', fields);
      this.#file = { proven: rehearsal, ...(failed && { failed }) };
    } else {
      log.warn(`a rehearsal failed: ${failure}`, fields);
      const since = failingSince ?? rehearsal.beganAt + endedAfter;
      this.#file = { ...(proven && { proven }), failed: rehearsal, failingSince: since };
    }
    try {
      writeRehearsalFile(platform.files, folder, this.#file);
    } catch (error) {
      log.error(`what came of the rehearsal cannot be written down: ${describeError(error)}`);
    }
  }
}

/** It is in nobody's way: replication does not need it. */
function readOrSay({ platform, folder, log }: RehearsingOptions): RehearsalFile {
  try {
    return readRehearsalFile(platform.files, folder);
  } catch (error) {
    log.error(`what came of earlier rehearsals cannot be read: ${describeError(error)}`);
    return {};
  }
}

function underWay(group: string): OperatorError {
  return new OperatorError('REHEARSAL_UNDER_WAY', `a rehearsal of group ${group} is under way`, {
    remedy: 'begin another one when `blockferry status` shows that it has ended',
    retryable: true,
  });
}
