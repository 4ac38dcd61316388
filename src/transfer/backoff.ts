/** Milliseconds: the first pause is one to two of them, the longest thirty to sixty seconds. */
const FIRST_MAX = 2000;
const PAUSE_MAX = 60_000;

/**
 * Milliseconds to wait after the `failures`-th failure in a row: doubled each time, with jitter (`fraction`, 0 to 1) over the
 * upper half, so that links which failed together do not come back together. A failure that only somebody's help can mend
 * waits the longest at once.
 */
export function backoff(failures: number, retryable: boolean, fraction: number): number {
  const full = retryable ? Math.min(PAUSE_MAX, FIRST_MAX * 2 ** Math.min(failures - 1, 10)) : PAUSE_MAX;
  return full * (0.5 + fraction / 2);
}
