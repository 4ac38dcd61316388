/** Ranges of a destination's volumes that its disks could not give when they were to be compared. Pure. */
import type { JournalRecord } from '../journal/record.ts';
import { DIFFERING_MAX } from '../journal/verification.ts';

export class UnreadableRanges {
  readonly #found = new Map<string, string>();

  /** Why one of them cannot be read; undefined: there is none. */
  get first(): string | undefined {
    return this.#found.values().next().value;
  }

  /** `why` undefined: the record's range could be read. */
  note({ volume, offset }: Pick<JournalRecord, 'volume' | 'offset'>, why: string | undefined): void {
    const key = `${volume} ${offset}`;
    if (why === undefined) this.#found.delete(key);
    else if (this.#found.size < DIFFERING_MAX) this.#found.set(key, why);
  }

  /** All of it was written anew. */
  clear(): void {
    this.#found.clear();
  }
}
