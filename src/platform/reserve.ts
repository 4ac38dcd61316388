import { errorCode } from './errors.ts';
import type { Files } from './files.ts';

/** Bytes. Many times a small state file, so that a file system's own bookkeeping for a new one is covered too. */
export const RESERVE_SIZE = 1024 * 1024;

/**
 * Room that is kept for what must be written even when the disk is full (I8): a preallocated file, given up when there is
 * no room left and made again as soon as there is. Where a file system cannot preallocate, or copies on write, it is a
 * best effort.
 */
export class Reserve {
  readonly #files: Files;
  readonly #path: string;
  #whole = false;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** Does `act`, and once more with the reserve's room when there was none. @throws what `act` throws */
  spend<R>(act: () => R): R {
    try {
      return act();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.#whole = false;
      this.#files.remove(this.#path);
      return act();
    } finally {
      if (!this.#whole) this.#fill();
    }
  }

  /** What could be had of it is kept. That it could not be made is no failure of what was done: it is tried with the next. */
  #fill(): void {
    try {
      const file = this.#files.open(this.#path, 'create');
      try {
        file.allocate(RESERVE_SIZE);
      } finally {
        file.close();
      }
      this.#whole = true;
    } catch {
      this.#whole = false;
    }
  }
}

/** Whether a file system or a quota is full. */
export function isNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errorCode(error));
}
