/**
 * Replication files that nobody needs any more, kept to be written over: a file that is removed gives its blocks and its memory
 * back, and the next one takes them again.
 */
import { PART_SUFFIX } from '../../journal/names.ts';
import type { Files } from '../../platform/files.ts';

interface Spare {
  readonly path: string;
  readonly bytes: number;
}

export class SpareFiles {
  readonly #files: Files;
  /** They may have the names of before again after a power failure: nothing may be written into them yet (I4). */
  #renamed: Spare[] = [];
  /** The last is the next: it is in the system's memory still. */
  #ready: Spare[] = [];

  constructor(files: Files) {
    this.#files = files;
  }

  /**
   * Nobody reads it any more. `most`: bytes that all of them may have, this one included. False: it is none, and lies where it
   * did.
   */
  keep({ path, bytes }: Spare, most: number): boolean {
    const kept = [...this.#renamed, ...this.#ready].reduce((sum, spare) => sum + spare.bytes, bytes);
    if (kept > most) return false;
    // A crash leaves nothing that ends with this.
    const spare = path + PART_SUFFIX;
    try {
      this.#files.rename(path, spare);
    } catch {
      return false;
    }
    this.#renamed.push({ path: spare, bytes });
    return true;
  }

  /** Undefined: there is none that may be written over. What is taken is the caller's. */
  take(): string | undefined {
    return this.#ready.pop()?.path;
  }

  /** Their folder was synced. */
  synced(): void {
    this.#ready.push(...this.#renamed.splice(0));
  }

  /** None is left; what cannot be removed is by the next start. */
  async clear(): Promise<void> {
    const spares = [...this.#renamed.splice(0), ...this.#ready.splice(0)];
    await Promise.all(spares.map(({ path }) => this.#files.removeLater(path).catch(() => undefined)));
  }
}
