/** Where in the journal's files each record was put, and whether it would be found there after a power failure (I1). */
import type { Disk } from '../platform/disk.ts';
import type { Inode } from '../platform/inode.ts';

interface Append {
  readonly first: number;
  readonly last: number;
  readonly inode: Inode;
  /** The file's changes so far, this one included. */
  readonly made: number;
}

export class Appends {
  readonly #disk: Disk;
  readonly #folder: string;
  #appends: Append[] = [];

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** To a file that was opened as `path`, and may be called otherwise now. */
  add(path: string, records: readonly { readonly lsn: number }[]): void {
    const inode = this.#disk.find(path) ?? this.#newest();
    const [first, last] = [records[0]?.lsn, records.at(-1)?.lsn];
    if (inode === undefined || first === undefined || last === undefined) return;
    this.#appends.push({ first, last, inode, made: inode.made });
  }

  /** The file at `path` got these records again: what counts is whether that reaches the medium. */
  rewritten(path: string, records: readonly { readonly lsn: number }[]): void {
    const inode = this.#disk.find(path);
    this.#appends = this.#appends.filter((append) => append.inode !== inode);
    this.add(path, records);
  }

  /** The lowest LSN from `from` to `to` that a power failure now could take away. */
  firstInDoubt(from: number, to: number): number | undefined {
    this.#appends = this.#appends.filter(({ last }) => last >= from);
    const names = this.#disk.listDurable(this.#folder).filter((name) => name.endsWith('.open'));
    const named = new Set(names.map((name) => this.#disk.findDurable(`${this.#folder}/${name}`)));
    return this.#appends.find(
      ({ first, inode, made }) => first <= to && (!inode.holds(made) || !named.has(inode)),
    )?.first;
  }

  /** The journal was cut by a crash: what is appended from here on takes the place of what was. */
  cutAfter(lsn: number): void {
    this.#appends = this.#appends.filter(({ first }) => first <= lsn);
  }

  /** The open segment: the last by name. */
  #newest(): Inode | undefined {
    const names = this.#disk.list(this.#folder).filter((name) => name.endsWith('.open'));
    const newest = names.sort().at(-1);
    return newest === undefined ? undefined : this.#disk.find(`${this.#folder}/${newest}`);
  }
}
