/** Seconds looked back. */
const WINDOW = 60;

/** Bytes a second over the last minute. Counts by the second, so that its memory does not grow with the number of reports. */
export class Rate {
  #seconds: { readonly second: number; bytes: number }[] = [];

  /** `at`: monotonic milliseconds. */
  add(at: number, bytes: number): void {
    const second = Math.floor(at / 1000);
    const newest = this.#seconds.at(-1);
    if (newest?.second === second) newest.bytes += bytes;
    else this.#seconds = [...this.#within(second), { second, bytes }];
  }

  /** Over the time since the oldest bytes that count, so that it is right in the first minute too. */
  perSecond(now: number): number {
    const seconds = this.#within(Math.floor(now / 1000));
    const [oldest] = seconds;
    if (oldest === undefined) return 0;
    const bytes = seconds.reduce((sum, entry) => sum + entry.bytes, 0);
    return bytes / Math.max(1, now / 1000 - oldest.second);
  }

  #within(second: number): { readonly second: number; bytes: number }[] {
    return this.#seconds.filter((entry) => second - entry.second < WINDOW);
  }
}
