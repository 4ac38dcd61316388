/** What the destination would still have if its power failed now and nothing were kept that was not synced. */
import { parseSealedName } from '../../../src/journal/names.ts';
import type { Disk } from '../platform/disk.ts';
import type { Inode } from '../platform/inode.ts';
import { newestCopy } from './two-copies.ts';

/** What the destination remembers, as far as it is looked at. */
export interface StateFile {
  readonly applied: number;
  readonly consistent: boolean;
  readonly pending?: { readonly id: string; readonly lsn: number } | undefined;
  /** Markers whose programs the volumes do not wait for. */
  readonly background?: readonly unknown[];
  /** Ranges that were ever found to differ from the source's. */
  readonly verification?: { readonly found: number };
}

export class Held {
  readonly #disk: Disk;
  readonly #folder: string;
  /** Name of a sealed segment → its bytes; more than one when it was sealed again after a crash. */
  readonly #sealedForms = new Map<string, Buffer[]>();
  /** Files that were compared with these, and how often they had been changed then. */
  readonly #intact = new WeakMap<Inode, number>();

  readonly #rotten = new WeakSet<Inode>();
  /** What was sealed before the source was set back. */
  #formsBefore: ReadonlyMap<string, readonly Buffer[]> | undefined;
  /** The last LSN that the destination took in of what was sealed before the source was set back. */
  lastBefore = 0;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** The source sealed a segment. */
  sealed(name: string, bytes: Buffer): void {
    const forms = this.#sealedForms.get(name) ?? [];
    forms.push(bytes);
    this.#sealedForms.set(name, forms);
  }

  /** Of the source's folder the name of a segment that is not what was sealed under it. */
  changedIn(disk: Disk, folder: string): string | undefined {
    if (disk.stat(folder) === undefined) return undefined;
    return disk.list(folder).find((name) => {
      const content = disk.find(`${folder}/${name}`)!.content();
      return this.#sealedForms.get(name)?.some((form) => form.equals(content)) === false;
    });
  }

  sourceSetBack(): void {
    this.#formsBefore = new Map([...this.#sealedForms].map(([name, forms]) => [name, [...forms]]));
  }

  /** The destination took this segment into its journal. */
  took(path: string): void {
    this.lastBefore = Math.max(this.lastBefore, this.#endBefore(path));
  }

  /** What it took in may be gone again: into the inbox, or with the power. */
  lost(): void {
    const folder = `${this.#folder}/journal`;
    // It may have died before it made the folder.
    const names = this.#disk.stat(folder) === undefined ? [] : this.#disk.list(folder);
    const ends = names.map((name) => this.#endBefore(`${folder}/${name}`));
    this.lastBefore = Math.min(this.lastBefore, Math.max(this.state()?.applied ?? 0, ...ends));
  }

  /** The last LSN of this file, if it is one of those that were sealed before the source was set back; else 0. */
  #endBefore(path: string): number {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const content = this.#disk.find(path)!.content();
    const isOfBefore =
      this.#formsBefore === undefined || this.#formsBefore.get(name)?.some((form) => form.equals(content));
    return isOfBefore === true ? (parseSealedName(name)?.last ?? 0) : 0;
  }

  state(): StateFile | undefined {
    const inode = this.#disk.findDurable(`${this.#folder}/destination-state.json`);
    return inode && (newestCopy(inode.durableContent()) as StateFile | undefined);
  }

  /** The last LSN that the destination would have after a power failure that keeps nothing unsynced. */
  last(): number {
    const folder = `${this.#folder}/journal`;
    let last = this.state()?.applied ?? 0;
    const ranges = this.#disk
      .listDurable(folder)
      .flatMap((name) => {
        const range = parseSealedName(name);
        return range !== undefined && this.#isHeld(`${folder}/${name}`, name) ? [range] : [];
      })
      .sort((a, b) => a.first - b.first);
    for (const { first, last: end } of ranges) if (first === last + 1) last = end;
    return last;
  }

  /** What is there as it was sealed was held, whatever becomes of it: nobody knows before it is read again. */
  rots(path: string): void {
    const inode = this.#disk.find(path);
    if (inode !== undefined && this.#isIntact(inode, path.slice(path.lastIndexOf('/') + 1)))
      this.#rotten.add(inode);
  }

  /** Whether it is what the source sealed, to the byte, and on the medium. */
  #isHeld(path: string, name: string): boolean {
    const inode = this.#disk.findDurable(path);
    return inode?.isSynced === true && (this.#rotten.has(inode) || this.#isIntact(inode, name));
  }

  #isIntact(inode: Inode, name: string): boolean {
    if (this.#intact.get(inode) === inode.made) return true;
    const content = inode.content();
    const intact = this.#sealedForms.get(name)?.some((form) => form.equals(content)) === true;
    if (intact) this.#intact.set(inode, inode.made);
    return intact;
  }
}
