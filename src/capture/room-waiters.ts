import type { Clock, Timer } from '../platform/clock.ts';

/** Milliseconds until whoever waits looks again unasked: of a full disk that has room again nobody tells. */
const LOOK_AGAIN = 1000;

/** Who waits until there is room in a journal. */
export class RoomWaiters {
  readonly #clock: Clock;
  #waiters: (() => void)[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody waits. */
  get isWaitedFor(): boolean {
    return this.#waiters.length > 0;
  }

  /** Settles when it is worth looking again. */
  wait(): Promise<void> {
    this.#timer ??= this.#clock.after(LOOK_AGAIN, () => this.wake());
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  wake(): void {
    this.stop();
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
