/** What the counters of one execution say, and whether an execution before said it too. */
import { COUNTERS } from './instrument.ts';

/** Branches of all modules of one target together. */
const COUNTERS_MAX = 1 << 16;

/** How often a branch was taken, roughly: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, more. */
const BUCKET_BITS = Uint8Array.from({ length: 129 }, (_, count) => {
  if (count === 0) return 0;
  if (count <= 3) return 1 << (count - 1);
  if (count <= 7) return 8;
  if (count <= 15) return 16;
  if (count <= 31) return 32;
  return count <= 127 ? 64 : 128;
});

/** A branch, and how often: `counter * 256 + bucket bit`. */
export type Feature = number;

export class Coverage {
  readonly #counters = new Uint32Array(COUNTERS_MAX);
  readonly #seen = new Uint8Array(COUNTERS_MAX);
  #used = 0;

  constructor() {
    (globalThis as Record<string, unknown>)[COUNTERS] = this.#counters;
  }

  /** Branches that there are in the modules loaded so far. */
  get total(): number {
    return this.#used;
  }

  /** Branches that any execution has taken. */
  get taken(): number {
    return this.#seen.subarray(0, this.#used).reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0);
  }

  /** Room for a module's counters; returns the first one's number. */
  reserve(count: number): number {
    const first = this.#used;
    this.#used += count;
    if (this.#used > COUNTERS_MAX) throw new RangeError('too many branches: raise COUNTERS_MAX');
    return first;
  }

  /** Before an execution. */
  clear(): void {
    this.#counters.fill(0, 0, this.#used);
  }

  /** Whether the execution since `clear` did anything that none did before; it is remembered. */
  isNew(): boolean {
    const [counters, seen] = [this.#counters, this.#seen];
    let isNew = false;
    for (let i = 0; i < this.#used; i += 1) {
      const count = counters[i] ?? 0;
      if (count === 0) continue;
      const bit = bucketBit(count);
      if (((seen[i] ?? 0) & bit) !== 0) continue;
      seen[i] = (seen[i] ?? 0) | bit;
      isNew = true;
    }
    return isNew;
  }

  /** All that the execution since `clear` did. */
  features(): Feature[] {
    const features: Feature[] = [];
    for (let i = 0; i < this.#used; i += 1) {
      const count = this.#counters[i] ?? 0;
      if (count !== 0) features.push(i * 256 + bucketBit(count));
    }
    return features;
  }
}

function bucketBit(count: number): number {
  return BUCKET_BITS[Math.min(count, 128)] ?? 0;
}
