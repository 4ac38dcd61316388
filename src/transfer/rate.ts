/** Milliseconds looked back. */
const WINDOW = 60_000;

/** Bytes a second over the last minute. */
export class Rate {
  #samples: { readonly at: number; readonly bytes: number }[] = [];

  add(at: number, bytes: number): void {
    this.#samples.push({ at, bytes });
    this.#forget(at);
  }

  perSecond(now: number): number {
    this.#forget(now);
    const oldest = this.#samples[0];
    if (oldest === undefined) return 0;
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0);
    return (bytes * 1000) / Math.max(1000, now - oldest.at);
  }

  #forget(now: number): void {
    this.#samples = this.#samples.filter((sample) => now - sample.at < WINDOW);
  }
}
