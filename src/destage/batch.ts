/** How many segments share one checkpoint: until the last of them is durable nothing else is done. Pure, time handed in. */
import type { Clock } from '../platform/clock.ts';

const SEGMENTS_MAX = 16;
/** Of the segments. */
const BYTES_MAX = 128 * 1024 * 1024;
/** Milliseconds after which no more join: a slow disk is not to keep others waiting for as many. */
const TIME_MAX = 1000;

export class Batch {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #begun: number;
  #segments = 0;
  #bytes = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#begun = clock.monotonic();
  }

  /** Of segments. */
  get count(): number {
    return this.#segments;
  }

  /** No more join. */
  get isFull(): boolean {
    if (this.#segments === SEGMENTS_MAX || this.#bytes >= BYTES_MAX) return true;
    return this.#segments > 0 && this.#clock.monotonic() - this.#begun >= TIME_MAX;
  }

  /** A segment of so many bytes was applied. */
  add(bytes: number): void {
    this.#segments += 1;
    this.#bytes += bytes;
  }
}
