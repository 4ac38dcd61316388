/** The sealed segments in a source's buffer, in order, from when they are sealed until nobody needs them any more. */
import type { Lsn } from '../../journal/ids.ts';
import { compareRanges } from '../../journal/names.ts';
import type { BufferedSegment } from './coalescing.ts';
import type { SealedFile } from '../source-back/sealed-file.ts';

export class ReplicationFiles {
  #files: readonly BufferedSegment[];
  #sealed = 0;

  /** What was found at the start. `now`: monotonic milliseconds. */
  constructor(found: readonly SealedFile[], now: number) {
    this.#files = found.map((file) => ({ ...file, sealedAt: now }));
  }

  get all(): readonly BufferedSegment[] {
    return this.#files;
  }

  /** So many were sealed since the start. */
  get sealed(): number {
    return this.#sealed;
  }

  get bytes(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What was coalesced: there is no recovery point inside these ranges. */
  get mergedRanges(): readonly { readonly first: Lsn; readonly last: Lsn }[] {
    return this.#files.flatMap(({ merged, range: { first, last } }) =>
      merged === undefined ? [] : [{ first, last }],
    );
  }

  /** False when all are there: sealed just before a crash, they were found at the start, and may have been sent. */
  add(files: readonly SealedFile[], now: number): boolean {
    const added = files.filter(({ name }) => !this.#files.some((file) => file.name === name));
    this.#files = [...this.#files, ...added.map((file) => ({ ...file, sealedAt: now }))];
    this.#sealed += added.length;
    return added.length > 0;
  }

  replace(run: readonly BufferedSegment[], merged: BufferedSegment): void {
    this.#put(
      this.#files.filter((segment) => !run.includes(segment)),
      [merged],
    );
  }

  /** What is done with up to here goes. @throws what `remove` throws; what could not be removed takes room, and is tried again */
  async free(upTo: number, remove: (file: SealedFile) => Promise<void>): Promise<void> {
    const done = this.#files.filter(({ range }) => range.last <= upTo);
    if (done.length === 0) return;
    this.#files = this.#files.filter(({ range }) => range.last > upTo);
    try {
      for (let file = done[0]; file !== undefined; file = done[0]) {
        await remove(file);
        done.shift();
      }
    } finally {
      if (done.length > 0) this.#put(this.#files, done);
    }
  }

  #put(files: readonly BufferedSegment[], more: readonly BufferedSegment[]): void {
    this.#files = [...files, ...more].sort((a, b) => compareRanges(a.range, b.range));
  }
}
