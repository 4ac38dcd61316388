import type { Clock, Timer } from '../clock.ts';

export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, then) {
    const timer = setTimeout(then, delay).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** The timers of one of several, so that none goes off when that one has ended. */
export class LentClock {
  readonly clock: Clock;
  readonly #pending = new Set<Timer>();
  #isOver = false;

  constructor() {
    this.clock = { ...nodeClock, after: (delay, then) => this.#after(delay, then) };
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#pending) timer.cancel();
    this.#pending.clear();
  }

  #after(delay: number, then: () => void): Timer {
    if (this.#isOver) return { cancel: () => undefined };
    const timer = nodeClock.after(delay, () => {
      this.#pending.delete(timer);
      then();
    });
    this.#pending.add(timer);
    return {
      cancel: () => {
        this.#pending.delete(timer);
        timer.cancel();
      },
    };
  }
}
