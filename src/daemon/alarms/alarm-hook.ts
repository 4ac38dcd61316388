/**
 * Runs the operator's program when an alarm is raised, and when it is cleared: one at a time, without a shell. Whatever it
 * does, or does not, is logged and changes nothing else.
 */
import { stripVTControlCharacters } from 'node:util';
import type { AlarmsConfig } from '../../config/config.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { CommandResult, Processes } from '../../platform/processes.ts';
import { SEVERITIES } from '../../platform/wait-facts.ts';
import type { AlarmChange } from './alarm-changes.ts';

/** Changes that wait for the program to end; what comes when they are so many is only logged. */
export const QUEUE_MAX = 256;
/** Characters: a destination's own words are among them. */
const MESSAGE_MAX = 1000;

export interface GroupAlarm extends AlarmChange {
  readonly group: string;
}

export class AlarmHook {
  readonly #processes: Processes;
  readonly #log: Log;
  readonly #config: AlarmsConfig;
  readonly #stop = new AbortController();
  #queue: GroupAlarm[] = [];
  #running: Promise<void> | undefined;

  constructor(processes: Processes, log: Log, config: AlarmsConfig) {
    this.#processes = processes;
    this.#log = log;
    this.#config = config;
  }

  push(change: GroupAlarm): void {
    const { severity } = change.alarm.wait;
    if (SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(this.#config.atLeast)) return;
    // What is over before anybody was told of it need not be told.
    const untold = this.#queue.findIndex((queued) => isRaiseOf(queued, change));
    if (change.kind === 'clear' && untold >= 0) this.#queue.splice(untold, 1);
    else if (this.#queue.length < QUEUE_MAX) this.#queue.push(change);
    else {
      this.#log.error(
        `${QUEUE_MAX} alarms wait for ${this.#config.run[0]}: it is not run for another one (${change.alarm.wait.code} of ${change.group})`,
      );
    }
    this.#running ??= this.#runAll().finally(() => (this.#running = undefined));
  }

  /** What runs is ended; what waits to be run is not. */
  async stop(): Promise<void> {
    this.#queue = [];
    this.#stop.abort();
    await this.#running;
  }

  async #runAll(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      await this.#run(next);
  }

  async #run(change: GroupAlarm): Promise<void> {
    const { run, timeLimit } = this.#config;
    const { code } = change.alarm.wait;
    const fields = { alarm: change.kind, alarmCode: code, group: change.group };
    const result = await this.#processes
      .run({
        argv: run,
        environment: alarmEnvironment(change),
        timeLimit,
        onLine: (line) => this.#log.info(`${run[0]}: ${line}`, fields),
        signal: this.#stop.signal,
      })
      .catch((error: unknown): CommandResult => ({ kind: 'not-started', reason: describeError(error) }));
    const failure = failureOf(result, timeLimit);
    if (failure === undefined) this.#log.debug(`${run[0]} was told of an alarm`, fields);
    else this.#log.error(`${run[0]}, which is run for alarms, ${failure}`, fields);
  }
}

export function alarmEnvironment({ kind, group, alarm }: GroupAlarm): Record<string, string> {
  const { code, message, severity, since } = alarm.wait;
  return {
    BLOCKFERRY_ALARM: kind,
    BLOCKFERRY_CODE: oneLine(code),
    BLOCKFERRY_GROUP: group,
    BLOCKFERRY_DESTINATION: alarm.destination ?? '',
    BLOCKFERRY_MESSAGE: oneLine(message),
    BLOCKFERRY_SINCE: new Date(since).toISOString(),
    BLOCKFERRY_SEVERITY: severity,
  };
}

/** What servers and destinations say is in it: it must not become a line, a mail's header say, of its own. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const plain = stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  return plain.slice(0, MESSAGE_MAX);
}

function isRaiseOf(queued: GroupAlarm, { group, alarm }: GroupAlarm): boolean {
  const { destination, wait } = queued.alarm;
  return (
    queued.kind === 'raise' &&
    queued.group === group &&
    destination === alarm.destination &&
    wait.code === alarm.wait.code
  );
}

function failureOf(result: CommandResult, timeLimit: number): string | undefined {
  switch (result.kind) {
    case 'exited':
      return result.exitCode === 0 ? undefined : `ended with exit code ${result.exitCode}`;
    case 'killed':
      return `was killed by ${result.signal}`;
    case 'timed-out':
      return `did not end within ${timeLimit} ms and was ended`;
    case 'aborted':
      return 'was ended, because blockferry stops';
    case 'not-started':
      return `could not be started: ${result.reason}`;
  }
}
