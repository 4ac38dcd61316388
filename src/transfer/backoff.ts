/** Milliseconds. */
const FIRST = 1000;
const LONGEST = 60_000;

/**
 * How long to wait after the `failures`-th failure in a row: doubled each time, with jitter so that links which failed
 * together do not come back together. A failure that only an operator can mend waits the longest at once.
 */
export function backoff(failures: number, retryable: boolean, fraction: number): number {
  const full = retryable ? Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 10)) : LONGEST;
  return full * (0.5 + fraction / 2);
}
