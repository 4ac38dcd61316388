/** Time and timers, so that a simulation can own both. */
export interface Clock {
  /** Wall-clock milliseconds since 1970; may jump. For people and for recovery-point lookup, never for order. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For intervals and time limits. */
  monotonic(): number;
  /** Calls `then` once, after `delay` milliseconds. A pending timer does not keep the process alive. */
  after(delay: number, then: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Resolves after `delay` milliseconds, or as soon as `signal` aborts (without rejecting). */
export function sleep(clock: Clock, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.after(delay, finish);
    signal?.addEventListener('abort', finish);
  });
}
