/** What stands in a destination's way, in the words of its waits and its status file. */
import type { DestinationStatus } from '../journal/status.ts';
import type { Clock } from '../platform/clock.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import { isNoRoom } from '../platform/reserve.ts';
import { Waits, type Wait } from '../platform/waits.ts';

/**
 * What can stand still, each for one reason at a time and with codes of its own. A status file has room for one reason:
 * the first of these that there is.
 */
const SUBJECTS = ['work', 'room', 'receive', 'apply', 'marker', 'hole', 'marker-failure'] as const;
export type Subject = (typeof SUBJECTS)[number];

export interface Reason {
  readonly code: string;
  readonly message: string;
}

export class GroupWaits {
  readonly #waits: Waits;
  readonly #held = new Map<Subject, string>();

  constructor(clock: Clock) {
    this.#waits = new Waits(clock);
  }

  /** Counts up with every change. */
  get changes(): number {
    return this.#waits.changes;
  }

  /** `reason` undefined: it goes on. True when the subject stands still for a reason that it did not before. */
  set(subject: Subject, reason: Reason | undefined): boolean {
    const before = this.#held.get(subject);
    if (before !== undefined && before !== reason?.code) {
      this.#waits.clear(before);
      this.#held.delete(subject);
    }
    if (reason === undefined) return false;
    this.#held.set(subject, reason.code);
    return this.#waits.raise(reason.code, reason.message);
  }

  /** Longest first. */
  list(): Wait[] {
    return this.#waits.list();
  }

  /** What the source is told, cut to what a status file takes. */
  first(): DestinationStatus['waiting'] {
    const waits = this.list();
    const codes = SUBJECTS.map((subject) => this.#held.get(subject));
    const wait = codes.flatMap((code) => waits.filter((candidate) => candidate.code === code))[0];
    return wait && { ...wait, message: wait.message.slice(0, 1000) };
  }
}

const APPLY_CODES: Readonly<Record<string, string>> = {
  VOLUME_OFFLINE: 'volume-offline',
  VOLUME_UNKNOWN: 'volume-unknown',
  VOLUME_SIZE: 'volume-size',
};

export function applyReason(error: unknown): Reason {
  const message = describeError(error);
  if (isNoRoom(error)) {
    return { code: 'volume-full', message: `there is no room to apply what was received: ${message}` };
  }
  return { code: APPLY_CODES[errorCode(error)] ?? 'apply-failed', message };
}

export function receiveReason(error: unknown): Reason {
  return { code: 'receive-failed', message: `what arrives cannot be received: ${describeError(error)}` };
}

export function workReason(error: unknown): Reason {
  return { code: 'destination-failed', message: describeError(error) };
}
