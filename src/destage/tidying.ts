import type { Clock } from '../platform/clock.ts';

/** Milliseconds. */
const RETRY = 2000;

interface Back {
  tidySnapshots(): Promise<boolean>;
}

/** What deleting snapshots left to do, a step at a time between other work; also what an earlier run left. */
export class Tidying {
  readonly #clock: Clock;
  readonly #back: Back;
  readonly #onOutcome: (error: unknown) => void;
  #left = true;
  #due = 0;

  /** `onOutcome`: what stands in the way, undefined when nothing does. */
  constructor(clock: Clock, back: Back, onOutcome: (error: unknown) => void) {
    this.#clock = clock;
    this.#back = back;
    this.#onOutcome = onOutcome;
  }

  /** There is something to do. */
  note(): void {
    this.#left = true;
  }

  /** Does a step, if one is due; true when there is more to do now. */
  async step(): Promise<boolean> {
    if (!this.#left || this.#clock.monotonic() < this.#due) return false;
    try {
      this.#left = await this.#back.tidySnapshots();
      this.#onOutcome(undefined);
      return this.#left;
    } catch (error) {
      this.#due = this.#clock.monotonic() + RETRY;
      this.#onOutcome(error);
      return false;
    }
  }
}
