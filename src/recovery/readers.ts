import { snapshotInUse } from './snapshot-errors.ts';

/** Counts who reads which snapshot. */
export class Readers {
  readonly #of = new Map<string, number>();

  get count(): number {
    return [...this.#of.values()].reduce((sum, readers) => sum + readers, 0);
  }

  /** Returns what is to be called, once, at the reader's end. */
  begin(id: string): () => void {
    this.#of.set(id, (this.#of.get(id) ?? 0) + 1);
    return () => {
      const left = (this.#of.get(id) ?? 0) - 1;
      if (left > 0) this.#of.set(id, left);
      else this.#of.delete(id);
    };
  }

  /** @throws OperatorError `SNAPSHOT_IN_USE` */
  refuseWhileRead(id: string): void {
    const readers = this.#of.get(id) ?? 0;
    if (readers > 0) throw snapshotInUse(id, readers);
  }
}
