import type { Clock } from './clock.ts';

/** Why something stands still: a stable code, a sentence, and since when (milliseconds since 1970). */
export interface Wait {
  readonly code: string;
  readonly message: string;
  readonly since: number;
}

/** The reasons why something stands still now, each since it was first raised. */
export class Waits {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();
  /** Counts up with every change. */
  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get changes(): number {
    return this.#changes;
  }

  /** True when it is new. */
  raise(code: string, message: string): boolean {
    const before = this.#waits.get(code);
    if (before?.message === message) return false;
    this.#waits.set(code, { code, message, since: before?.since ?? Math.round(this.#clock.now()) });
    this.#changes += 1;
    return before === undefined;
  }

  /** True when it was there. */
  clear(code: string): boolean {
    const there = this.#waits.delete(code);
    if (there) this.#changes += 1;
    return there;
  }

  /** Longest first. */
  list(): Wait[] {
    return [...this.#waits.values()];
  }
}
