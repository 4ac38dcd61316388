import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Timer } from '../../src/platform/clock.ts';

/** Where simulated time begins: wall clock and monotonic clock differ, as they do in life. */
const WALL_START = 1_700_000_000_000;

/** A clock that only moves when it is told to, and then fires what is due in order. */
export class SimulatedClock implements Clock {
  #now = 0;
  #timers = new Set<{ readonly at: number; readonly then: () => void }>();

  now(): number {
    return WALL_START + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delay: number, then: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delay), then };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets so many milliseconds go by. Everything that waits for nothing but this clock and promises has happened then. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await turn();
      const [due] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.then();
    }
    this.#now = end;
    await turn();
  }
}
