import type { Wait } from '../api/contract/status.ts';
import type { Clock } from '../platform/clock.ts';

/** Reasons why something stands still, each since it was first raised. */
export class Waits {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when it is new. */
  raise(code: string, message: string): boolean {
    const before = this.#waits.get(code);
    this.#waits.set(code, { code, message, since: before?.since ?? this.#clock.now() });
    return before === undefined;
  }

  clear(code: string): void {
    this.#waits.delete(code);
  }

  list(): Wait[] {
    return [...this.#waits.values()];
  }
}
