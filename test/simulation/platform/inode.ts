/**
 * A file's bytes as programs see them, and what of them is on the medium: every change since the last sync can be undone,
 * and a power failure keeps any subset of the changes, of a write any of its sectors (I6).
 */
import { isZero } from './zeros.ts';

export const SECTOR = 512;
export const PAGE = 4096;

/** Of a page: nothing there, reserved, or written to. */
const HOLE = 0;
const RESERVED = 1;
const DATA = 2;

interface Change {
  readonly position: number;
  /** What came to lie there; undefined: only the size changed. */
  readonly after: Buffer | undefined;
  readonly before: Buffer | undefined;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
}

/** Says what a power failure does to one change: all is kept, all is lost, or each sector is asked for. */
export type Loss = () => 'keep' | 'lose' | (() => boolean);

export class Inode {
  /** As far as anything was ever written; zeros follow up to the size. */
  #bytes = Buffer.alloc(0);
  #size = 0;
  #pages = new Uint8Array(0);
  #allocated = 0;
  /** Not on the medium yet, oldest first. */
  #changes: Change[] = [];
  /** Changes ever made, and how many of the first of them are on the medium. */
  #made = 0;
  #synced = 0;
  /** What is on the medium, once a sync has failed and dropped what it was to write; undefined: `#bytes` less the changes. */
  #medium: { readonly bytes: Buffer<ArrayBuffer>; readonly size: number } | undefined;
  /** Changes that are on no medium, by their numbers: after the first of each pair, up to the second. */
  #dropped: { readonly after: number; readonly to: number }[] = [];
  modifiedAt = 0;

  get size(): number {
    return this.#size;
  }

  /** Pages that take room. */
  get allocated(): number {
    return this.#allocated;
  }

  /** How many changes there were: what was done before this moment is covered by `syncUpTo` of it. */
  get made(): number {
    return this.#made;
  }

  /** What the same bytes were written over need not be on the medium: whatever a power failure keeps of that, they are there. */
  get isSynced(): boolean {
    return (
      this.#changes.every(changesNothing) &&
      (this.#dropped.length === 0 || this.durableContent().equals(this.content()))
    );
  }

  /** Whether a sync ever gave up what it was to write. */
  get hasLost(): boolean {
    return this.#dropped.length > 0;
  }

  /** Whether the change that was the `made`th is on the medium. */
  holds(made: number): boolean {
    return made <= this.#synced && !this.#dropped.some(({ after, to }) => made > after && made <= to);
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.#size - position));
    const there = Math.max(0, Math.min(count, this.#bytes.length - position));
    if (there > 0) into.set(this.#bytes.subarray(position, position + there));
    if (there < count) into.fill(0, there, count);
    return count;
  }

  content(): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(this.#size);
    this.read(bytes, 0);
    return bytes;
  }

  /** Pages that a write would have to find room for. */
  pagesMissing(position: number, length: number): number {
    let missing = 0;
    for (let page = Math.floor(position / PAGE); page * PAGE < position + length; page += 1) {
      if ((this.#pages[page] ?? HOLE) === HOLE) missing += 1;
    }
    return missing;
  }

  write(from: Uint8Array, position: number): void {
    const sizeAfter = Math.max(this.#size, position + from.length);
    this.#change(position, Buffer.from(from), sizeAfter);
    this.#mark(position, from.length, DATA);
  }

  resize(size: number): void {
    const after = size < this.#size ? Buffer.alloc(Math.max(0, this.#bytes.length - size)) : undefined;
    this.#change(size, after, size);
    for (let page = Math.ceil(size / PAGE); page < this.#pages.length; page += 1) this.#setPage(page, HOLE);
  }

  reserve(size: number): void {
    if (size > this.#size) this.#change(size, undefined, size);
    this.#mark(0, size, RESERVED);
  }

  /** Whole pages give their room back; everything reads as zeros. */
  punch(position: number, length: number): void {
    const end = Math.min(position + length, this.#size);
    if (end <= position) return;
    this.#change(position, Buffer.alloc(end - position), this.#size);
    for (let page = Math.ceil(position / PAGE); (page + 1) * PAGE <= end; page += 1)
      this.#setPage(page, HOLE);
  }

  nextData(position: number): { start: number; end: number } | undefined {
    const pages = Math.ceil(this.#size / PAGE);
    let page = Math.floor(position / PAGE);
    while (page < pages && this.#pages[page] !== DATA) page += 1;
    if (position >= this.#size || page >= pages) return undefined;
    let end = page;
    while (end < pages && this.#pages[end] === DATA) end += 1;
    return { start: Math.max(position, page * PAGE), end: Math.min(this.#size, end * PAGE) };
  }

  /** What was done before `made` stood there is on the medium from now on. */
  syncUpTo(made: number): void {
    const count = Math.max(0, made - this.#synced);
    const written = this.#changes.splice(0, count);
    this.#synced += count;
    if (this.#medium === undefined) return;
    const medium = new Inode();
    medium.#bytes = Buffer.from(this.#medium.bytes);
    medium.#size = this.#medium.size;
    for (const change of written) {
      medium.#grow(change.position + (change.after?.length ?? 0));
      medium.#redo(change, 'keep');
    }
    this.#medium = { bytes: medium.#bytes, size: medium.#size };
  }

  /**
   * A sync failed as on Linux: what was to be written is clean from now on, as if it had been, and is seen until the power
   * fails; no later sync writes it.
   */
  dropDirty(): void {
    if (this.#changes.length === 0) return;
    const bytes = this.durableContent();
    this.#medium = { bytes, size: bytes.length };
    this.#dropped.push({ after: this.#synced, to: this.#made });
    this.#changes = [];
    this.#synced = this.#made;
  }

  sync(): void {
    this.syncUpTo(this.#made);
  }

  /** A medium that rots: unnoticed by whoever wrote it. */
  flipBit(position: number, bit: number): void {
    if (position < this.#bytes.length) this.#bytes[position]! ^= 1 << bit;
    const medium = this.#medium?.bytes;
    if (medium !== undefined && medium !== this.#bytes && position < medium.length)
      medium[position]! ^= 1 << bit;
  }

  /** What the medium surely holds: all that was not synced is gone. */
  durableContent(): Buffer<ArrayBuffer> {
    const copy = new Inode();
    if (this.#medium !== undefined) {
      copy.#bytes = this.#medium.bytes;
      copy.#size = this.#medium.size;
      return copy.content();
    }
    copy.#bytes = Buffer.from(this.#bytes);
    copy.#size = this.#size;
    for (const change of this.#changes.toReversed()) copy.#undo(change);
    return copy.content();
  }

  /** Another file that holds what the medium holds. */
  durableCopy(): Inode {
    const copy = new Inode();
    const content = this.durableContent();
    copy.resize(content.length);
    for (let at = 0; at < content.length; at += PAGE) {
      const page = content.subarray(at, at + PAGE);
      if (!isZero(page)) copy.write(page, at);
    }
    copy.sync();
    return copy;
  }

  loseMemory(loss: Loss): void {
    const changes = this.#changes;
    for (const change of changes.toReversed()) this.#undo(change);
    this.#changes = [];
    if (this.#medium !== undefined) {
      this.#bytes = Buffer.concat([
        this.#medium.bytes,
        Buffer.alloc(Math.max(0, this.#bytes.length - this.#medium.bytes.length)),
      ]);
      this.#size = this.#medium.size;
      this.#medium = undefined;
    }
    for (const change of changes) this.#redo(change, loss());
    this.#synced = this.#made;
    this.#recountPages();
  }

  copy(): Inode {
    const copy = new Inode();
    if (this.#bytes.length > 0) copy.write(this.#bytes, 0);
    if (copy.size !== this.#size) copy.resize(this.#size);
    copy.#pages = Uint8Array.from(this.#pages);
    copy.#allocated = this.#allocated;
    return copy;
  }

  #change(position: number, after: Buffer | undefined, sizeAfter: number): void {
    let before: Buffer | undefined;
    if (after !== undefined) {
      this.#grow(position + after.length);
      before = Buffer.from(this.#bytes.subarray(position, position + after.length));
      this.#bytes.set(after, position);
    }
    this.#changes.push({ position, after, before, sizeBefore: this.#size, sizeAfter });
    this.#made += 1;
    this.#size = sizeAfter;
  }

  #undo({ position, before, sizeBefore }: Change): void {
    if (before !== undefined) this.#bytes.set(before, position);
    this.#size = sizeBefore;
  }

  #redo({ position, after, sizeBefore, sizeAfter }: Change, kept: ReturnType<Loss>): void {
    if (kept === 'lose') return;
    if (after === undefined || sizeAfter < sizeBefore || kept === 'keep') {
      if (after !== undefined) this.#bytes.set(after, position);
      this.#size =
        after === undefined || sizeAfter < sizeBefore ? sizeAfter : Math.max(this.#size, sizeAfter);
      return;
    }
    for (let at = position; at < position + after.length;) {
      const end = Math.min(position + after.length, (Math.floor(at / SECTOR) + 1) * SECTOR);
      if (kept()) {
        this.#bytes.set(after.subarray(at - position, end - position), at);
        this.#size = Math.max(this.#size, end);
      }
      at = end;
    }
  }

  #grow(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = Buffer.alloc(
      Math.max(length, Math.min(this.#bytes.length * 2, this.#bytes.length + 262_144)),
    );
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }

  #mark(position: number, length: number, as: number): void {
    for (let page = Math.floor(position / PAGE); page * PAGE < position + length; page += 1) {
      if ((this.#pages[page] ?? HOLE) < as) this.#setPage(page, as);
    }
  }

  #setPage(page: number, as: number): void {
    if (page >= this.#pages.length) {
      const grown = new Uint8Array(Math.max(page + 1, this.#pages.length * 2));
      grown.set(this.#pages);
      this.#pages = grown;
    }
    if ((this.#pages[page] === HOLE) !== (as === HOLE)) this.#allocated += as === HOLE ? -1 : 1;
    this.#pages[page] = as;
  }

  /** What came back with the power takes room and is data, whatever was known of it before. */
  #recountPages(): void {
    for (let page = 0; page * PAGE < this.#bytes.length; page += 1) {
      if (this.#pages[page] === DATA) continue;
      if (!isZero(this.#bytes.subarray(page * PAGE, (page + 1) * PAGE))) this.#setPage(page, DATA);
    }
  }
}

function changesNothing({ before, after, sizeBefore, sizeAfter }: Change): boolean {
  return sizeBefore === sizeAfter && (after === undefined || before?.equals(after) === true);
}
