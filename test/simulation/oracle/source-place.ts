/** Which of two folders is the source's, by the notes in them alone: that a folder was moved from is done is what counts. */
import type { Disk } from '../platform/disk.ts';
import { newestCopy } from './two-copies.ts';

interface Note {
  readonly folder: string;
  readonly done: boolean;
}

export class SourcePlace {
  readonly #disk: Disk;
  readonly #folders: readonly string[];
  #live: string;

  /** It begins in the first of them. */
  constructor(disk: Disk, folders: readonly [string, string]) {
    this.#disk = disk;
    this.#folders = folders;
    this.#live = folders[0];
  }

  get live(): string {
    return this.#live;
  }

  /** Whether it is another than before. */
  look(): boolean {
    const before = this.#live;
    // After a move back, what is left of the one before it counts for nothing.
    const moved = this.#folders.filter((folder) => this.#note(folder, 'moved-to')?.done === true);
    const left =
      moved.length < 2 ? moved : moved.filter((folder) => this.#note(folder, 'moved-from')?.done !== false);
    const [from] = left;
    // A machine that was set back may never have moved it.
    this.#live = this.#folders.find((folder) => folder !== from)!;
    return this.#live !== before;
  }

  #note(folder: string, name: string): Note | undefined {
    const file = this.#disk.find(`${folder}/${name}.json`);
    return file && (newestCopy(file.content()) as Note | undefined);
  }
}
