import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { HostError } from './front-end.ts';

/** Milliseconds in which a reason is told once: a host repeats a request that failed, thousands of times if need be. */
const INTERVAL = 60_000;
/** Reasons that are remembered; when there are more, the one told first is forgotten. */
const REASONS_MAX = 32;

/** Says in the log why hosts' requests fail: all that they themselves are told is a number. */
export class FailureLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #told = new Map<string, { readonly at: number; unsaid: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** A host's own mistake (`EINVAL`) is between it and its protocol. */
  failed(volume: string, error: HostError): void {
    if (error.code === 'EINVAL') return;
    const reason = `requests for volume ${volume} are answered with ${error.code}: ${error.message}`;
    const now = this.#clock.monotonic();
    const before = this.#told.get(reason);
    if (before !== undefined && now - before.at < INTERVAL) {
      before.unsaid += 1;
      return;
    }
    const oldest = this.#told.keys().next();
    if (before === undefined && this.#told.size === REASONS_MAX && oldest.done !== true)
      this.#told.delete(oldest.value);
    this.#told.set(reason, { at: now, unsaid: 0 });
    const fields = before === undefined || before.unsaid === 0 ? {} : { unsaid: before.unsaid };
    if (error.cause instanceof Error) this.#log.error(reason, { ...fields, stack: error.cause.stack });
    else this.#log.warn(reason, fields);
  }
}
