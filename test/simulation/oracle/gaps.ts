/** What a source took while changes were only marked and left out of what it ships: a copy stands for it, without markers. */
import { Kind, type Model } from './model.ts';

export interface CheckpointFile {
  readonly applied: number;
  readonly shipped: number;
  readonly digested: number;
}

export class Gaps {
  readonly #model: Model;
  /** Last LSN before a gap → the last that was seen to be left out. */
  readonly #gaps = new Map<number, number>();

  constructor(model: Model) {
    this.#model = model;
  }

  checkpoint({ shipped, digested }: CheckpointFile): void {
    if (shipped < digested) this.#gaps.set(shipped, digested);
  }

  /** Whether the record was never shipped: a gap ends with the copy's beginning. */
  has(lsn: number): boolean {
    return [...this.#gaps].some(([before, seen]) => {
      if (lsn <= before) return false;
      const begin = this.#model
        .records(seen + 1, this.#model.last)
        .find(({ kind }) => kind === Kind.initBegin);
      return lsn < (begin?.lsn ?? Infinity);
    });
  }
}
