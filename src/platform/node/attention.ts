/**
 * How a thread waits for those whom it serves. A host that sends its next request as soon as it has a reply is answered sooner
 * when the thread does not sleep in between: 4 KiB writes at depth 1 take three quarters of the time, the host's own included.
 * The thread looks for more for a moment then, which costs up to a processor while such requests come, and nothing when they
 * come at longer intervals or not at all. Nor does it when several hosts take turns: they seldom let it sleep, and want the
 * processor themselves (with 16 that write and flush an eighth of the thread's time went into looking).
 */

/** Milliseconds without anything after which the thread sleeps. */
const LOOK_FOR = 0.05;
/** Milliseconds between a reply and the same host's next request, with what it takes to be woken for it. */
const SOON = 0.1;

/** A thread's time and its turns. */
export interface Turns {
  /** Milliseconds, and their fractions. */
  readonly now: () => number;
  /** Calls it in the thread's next turn, before which the thread does not sleep. */
  readonly next: (then: () => void) => void;
}

export class Attention {
  readonly #turns: Turns;
  #served: symbol | undefined;
  #servedAt = Number.NEGATIVE_INFINITY;
  #lookUntil = 0;
  #isLooking = false;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** Does what has come up from `host` by `serve`. */
  pay(host: symbol, serve: () => void): void {
    const isSoon = this.#served === host && this.#turns.now() - this.#servedAt < SOON;
    this.#served = host;
    serve();
    this.#servedAt = this.#turns.now();
    if (!isSoon) return;
    this.#lookUntil = this.#servedAt + LOOK_FOR;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#turns.next(this.#look);
  }

  readonly #look = (): void => {
    this.#isLooking = this.#turns.now() < this.#lookUntil;
    if (this.#isLooking) this.#turns.next(this.#look);
  };
}
