import type { Clock } from './clock.ts';
import type { WaitCode } from './wait-codes.ts';

/** Why something stands still: a stable code, a sentence, since when (milliseconds since 1970), and until when if that is known. */
export interface Wait {
  readonly code: WaitCode;
  readonly message: string;
  readonly since: number;
  /** At the latest, or as far as can be told. */
  readonly endsAt?: number;
}

/** The reasons why something stands still now, each since it was first raised. */
export class Waits {
  readonly #clock: Clock;
  readonly #waits = new Map<WaitCode, Wait>();
  /** Counts up with every change. */
  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get changes(): number {
    return this.#changes;
  }

  /** True when it is new. */
  raise(code: WaitCode, message: string, endsAt?: number): boolean {
    const before = this.#waits.get(code);
    if (before?.message === message && before.endsAt === endsAt) return false;
    const since = before?.since ?? Math.round(this.#clock.now());
    this.#waits.set(code, { code, message, since, ...(endsAt === undefined ? {} : { endsAt }) });
    this.#changes += 1;
    return before === undefined;
  }

  /** Raised with this message; undefined: it is no reason any more. */
  set(code: WaitCode, message: string | undefined): void {
    if (message === undefined) this.clear(code);
    else this.raise(code, message);
  }

  /** True when it was there. */
  clear(code: WaitCode): boolean {
    const there = this.#waits.delete(code);
    if (there) this.#changes += 1;
    return there;
  }

  /** Longest first. */
  list(): Wait[] {
    return [...this.#waits.values()];
  }
}
