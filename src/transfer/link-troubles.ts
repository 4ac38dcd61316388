/** What fails on a link, why, since when, and when it is tried again. */
import type { Files } from '../platform/files.ts';
import type { LinkSegment } from './planner.ts';
import type { Clock } from '../platform/clock.ts';
import type { Random } from '../platform/random.ts';
import type { FROM_DESTINATION, WaitCode } from '../platform/wait-codes.ts';
import { backoff } from './backoff.ts';
import { TransportError } from './transport.ts';

/** Why a link stands still; times in milliseconds since 1970. */
export interface LinkWait {
  readonly code: LinkCode;
  readonly message: string;
  readonly since: number;
  readonly nextTryAt?: number;
  readonly endsAt?: number;
}

/** A destination may have codes that this version does not know. */
export type LinkCode = WaitCode | `${typeof FROM_DESTINATION}${string}`;

export interface Failure {
  /** Of the wait. */
  readonly code: WaitCode;
  readonly message: string;
  readonly retryable: boolean;
}

interface Trouble extends Failure {
  readonly since: number;
  /** In a row, and without getting any further. */
  readonly failures: number;
  /** Bytes that were there already when the last attempt began. */
  readonly offset: number;
  /** Monotonic milliseconds. */
  readonly nextTry: number;
}

/** Each kind of thing that is tried (a segment, by its name; the status) has its own count of failures in a row. */
export class LinkTroubles {
  readonly #platform: { readonly clock: Clock; readonly random: Random };
  readonly #troubles = new Map<string, Trouble>();

  constructor(platform: { readonly clock: Clock; readonly random: Random }) {
    this.#platform = platform;
  }

  get size(): number {
    return this.#troubles.size;
  }

  has(key: string): boolean {
    return this.#troubles.has(key);
  }

  /** True when nothing else failed with the same code: worth a line in the log. */
  failed(key: string, failure: Failure): boolean {
    const { clock, random } = this.#platform;
    const isNew = ![...this.#troubles.values()].some(({ code }) => code === failure.code);
    const before = this.#troubles.get(key);
    const failures = (before?.failures ?? 0) + 1;
    this.#troubles.set(key, {
      ...failure,
      since: before?.since ?? clock.now(),
      failures,
      offset: before?.offset ?? 0,
      nextTry: clock.monotonic() + backoff(failures, failure.retryable, random.fraction()),
    });
    return isNew;
  }

  /** An attempt goes on from `offset` bytes. More than the last one had is progress: a line that is only cut is not slowed down. */
  resumed(key: string, offset: number): void {
    const before = this.#troubles.get(key);
    if (before !== undefined && offset > before.offset)
      this.#troubles.set(key, { ...before, offset, failures: 0 });
  }

  worked(key: string): void {
    this.#troubles.delete(key);
  }

  /** What is not tried any more is no trouble any more. */
  keepOnly(isTried: (key: string) => boolean): void {
    for (const key of [...this.#troubles.keys()]) if (!isTried(key)) this.#troubles.delete(key);
  }

  /** When `key` is tried again, or without a key, when all that failed has rested. Monotonic; in the past if nothing waits. */
  heldUntil(key?: string): number {
    return this.#latest((other) => key === undefined || other === key);
  }

  /** The same of all others, where this one keeps nothing else from being tried. */
  heldUntilBut(key: string): number {
    return this.#latest((other) => other !== key);
  }

  #latest(concerns: (key: string) => boolean): number {
    const held = [...this.#troubles].filter(([key]) => concerns(key));
    return held.reduce((latest, [, { nextTry }]) => Math.max(latest, nextTry), Number.NEGATIVE_INFINITY);
  }

  /** One for each code, since the first of its kind. While it is tried again there is no next time. */
  waits(): LinkWait[] {
    const { clock } = this.#platform;
    const waits = new Map<WaitCode, LinkWait>();
    for (const { code, message, since, nextTry } of this.#troubles.values()) {
      const before = waits.get(code);
      const pause = nextTry - clock.monotonic();
      const nextTryAt = Math.max(before?.nextTryAt ?? 0, pause > 0 ? Math.round(clock.now() + pause) : 0);
      // They are in the order in which they began.
      const merged = { code, message, since: before?.since ?? since };
      waits.set(code, nextTryAt === 0 ? merged : { ...merged, nextTryAt });
    }
    return [...waits.values()];
  }
}

/** What an error of a transport means to whoever waits for the link. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof TransportError)) {
    // A mistake of ours, most likely; trying again is all that can be done about it here.
    return {
      code: 'link-error',
      message: error instanceof Error ? error.message : String(error),
      retryable: true,
    };
  }
  const { message, remedy, retryable } = error;
  const help = retryable ? '' : '; this does not mend by itself, so it is tried about once a minute';
  return {
    code: waitCode(error),
    message: `${message}${remedy === '' ? '' : `; ${remedy}`}${help}`,
    retryable,
  };
}

function waitCode(error: TransportError): WaitCode {
  switch (error.code) {
    case 'ConnectionLost':
    case 'Timeout':
      return 'link-down';
    case 'Auth':
      return 'link-auth';
    case 'Busy':
      return 'link-busy';
    case 'NoSpace':
      return 'destination-full';
    case 'NotFound':
    case 'Exists':
    case 'Integrity':
    case 'BadName':
    case 'TooLarge':
    case 'Cancelled':
    case 'Protocol':
      return 'link-error';
  }
}

/** Whether a segment lies here as it was sealed, so that its file is not what a failed transfer failed of. */
export function isWhole(files: Pick<Files, 'stat'>, { path, bytes }: LinkSegment): boolean {
  try {
    return files.stat(path)?.size === bytes;
  } catch {
    return false;
  }
}
