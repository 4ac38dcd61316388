import { dirname, join } from 'node:path';
import type { Files, FileStat, OpenFile, OpenMode } from '../../src/platform/files.ts';

const PAGE = 4096;

/** What is in memory and what is on the medium; a page that was written and not synced may be either after a power cut. */
class Inode {
  cached = Buffer.alloc(0);
  durable = Buffer.alloc(0);
  readonly dirty = new Set<number>();
  resized = false;

  write(from: Uint8Array, position: number): void {
    this.resize(Math.max(this.cached.length, position + from.length));
    this.cached.set(from, position);
    for (let page = Math.floor(position / PAGE); page * PAGE < position + from.length; page += 1)
      this.dirty.add(page);
  }

  resize(size: number): void {
    if (size === this.cached.length) return;
    this.resized = true;
    if (size <= this.cached.length) this.cached = this.cached.subarray(0, size);
    else this.cached = Buffer.concat([this.cached, Buffer.alloc(size - this.cached.length)]);
  }

  sync(): void {
    if (this.resized) this.durable = Buffer.from(this.cached);
    else
      for (const page of this.dirty)
        this.cached.copy(this.durable, page * PAGE, page * PAGE, (page + 1) * PAGE);
    this.resized = false;
    this.dirty.clear();
  }

  loseMemory(keep: () => boolean): void {
    const size = keep() ? this.cached.length : this.durable.length;
    const after = Buffer.alloc(size);
    this.durable.copy(after);
    for (const page of this.dirty) {
      if (page * PAGE < size && keep()) this.cached.copy(after, page * PAGE, page * PAGE, (page + 1) * PAGE);
    }
    this.cached = after;
    this.resized = true;
    this.sync();
  }
}

type Names = Map<string, Inode>;

function error(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/**
 * A disk that forgets at a power cut, as the worst real one may: any subset of the unsynced pages, sizes, new names,
 * renames and removals is kept (I6). `room` bytes of file data fit.
 */
export class MemoryDisk implements Files {
  readonly #clones: boolean;
  readonly #folders = new Set<string>(['/']);
  #names: Names = new Map();
  #durableNames: Names = new Map();
  #pending: { readonly folder: string; readonly apply: (names: Names) => void }[] = [];
  room = Infinity;

  constructor(options: { readonly clones: boolean }) {
    this.#clones = options.clones;
  }

  /** `keep` is asked about everything that was not synced. Open files are to be forgotten. */
  cutPower(keep: () => boolean): void {
    for (const { apply } of this.#pending) if (keep()) apply(this.#durableNames);
    this.#pending = [];
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) inode.loseMemory(keep);
  }

  open(path: string, mode: OpenMode): OpenFile {
    let inode = this.#names.get(path);
    if (inode !== undefined && mode === 'create-new') throw error('EEXIST', path);
    if (inode === undefined) {
      if (mode === 'read' || mode === 'write' || !this.#folders.has(dirname(path)))
        throw error('ENOENT', path);
      const made = (inode = new Inode());
      this.#change(dirname(path), (names) => names.set(path, made));
    }
    return this.#handle(path, inode);
  }

  stat(path: string): FileStat | undefined {
    const inode = this.#names.get(path);
    const common = { modifiedAt: 0, identity: '' };
    if (inode !== undefined) return { kind: 'file', size: inode.cached.length, ...common };
    return this.#folders.has(path) ? { kind: 'directory', size: 0, ...common } : undefined;
  }

  list(directory: string): string[] {
    if (!this.#folders.has(directory)) throw error('ENOENT', directory);
    const inside = [...this.#names.keys(), ...this.#folders].filter(
      (path) => dirname(path) === directory && path !== '/',
    );
    return inside.map((path) => path.slice(join(directory, '/').length));
  }

  /** Durable at once: what is inside a folder is what matters here. */
  makeDirectory(directory: string): void {
    for (let at = directory; !this.#folders.has(at); at = dirname(at)) this.#folders.add(at);
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw error('ENOENT', from);
    if (from === to) return;
    this.#change(dirname(to), (names) => {
      names.set(to, inode);
      if (names.get(from) === inode) names.delete(from);
    });
  }

  remove(path: string): void {
    if (this.#names.has(path)) this.#change(dirname(path), (names) => names.delete(path));
  }

  removeLater(path: string): Promise<void> {
    this.remove(path);
    return Promise.resolve();
  }

  removeTree(directory: string): void {
    const within = (path: string): boolean => path === directory || path.startsWith(`${directory}/`);
    for (const path of [...this.#names.keys()].filter(within)) this.remove(path);
    for (const path of [...this.#folders].filter(within)) this.#folders.delete(path);
  }

  syncDirectory(directory: string): void {
    for (const change of this.#pending) if (change.folder === directory) change.apply(this.#durableNames);
    this.#pending = this.#pending.filter((change) => change.folder !== directory);
  }

  syncDirectoryLater(directory: string): Promise<void> {
    this.syncDirectory(directory);
    return Promise.resolve();
  }

  clone(from: string, to: string): boolean {
    const source = this.#names.get(from);
    if (source === undefined) throw error('ENOENT', from);
    if (!this.#clones) return false;
    this.open(to, 'create-new').write(source.cached, 0);
    return true;
  }

  freeSpace(): number {
    return this.room;
  }

  #change(folder: string, apply: (names: Names) => void): void {
    apply(this.#names);
    this.#pending.push({ folder, apply });
  }

  #handle(path: string, inode: Inode): OpenFile {
    return {
      path,
      size: () => inode.cached.length,
      read: (into, position) => {
        const from = inode.cached.subarray(Math.min(position, inode.cached.length), position + into.length);
        into.set(from);
        return from.length;
      },
      readNow(into, position) {
        return this.read(into, position);
      },
      write: (from, position) => {
        const growth = position + from.length - inode.cached.length;
        if (growth > this.room) throw error('ENOSPC', path);
        this.room -= Math.max(0, growth);
        inode.write(from, position);
      },
      sync: () => {
        inode.sync();
        return Promise.resolve();
      },
      syncNow: () => inode.sync(),
      beginSync: () => () => inode.sync(),
      shareWithGroup: () => undefined,
      truncate: (size) => inode.resize(size),
      allocate: (size) => inode.resize(size),
      startReading: () => undefined,
      startWriting: () => undefined,
      forgetCached: () => true,
      punchHole: (position, length) => {
        inode.write(Buffer.alloc(length), position);
        this.room += length;
        return true;
      },
      nextData: (position) =>
        position < inode.cached.length ? { start: position, end: inode.cached.length } : undefined,
      close: () => undefined,
    };
  }
}
