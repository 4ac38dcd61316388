/**
 * A site's file systems: names and contents in memory, and what of them is on the medium. A power failure keeps any subset
 * of what was not synced: contents by sectors, names by the directory they are in (I6).
 */
import { basename, dirname } from 'node:path';
import type { FileStat } from '../../../src/platform/files.ts';
import { Inode, PAGE, type Loss } from './inode.ts';

type Names = Map<string, Inode>;

/** A name that came or went. The two halves of a rename have the same `rename`, because file systems do both or none. */
interface NameChange {
  readonly directory: string;
  readonly name: string;
  readonly inode: Inode | undefined;
  readonly rename: number;
}

/** Directory → its files as they are on the medium. */
export type DiskImage = ReadonlyMap<string, ReadonlyMap<string, Inode>>;

export interface LossPolicy {
  /** Whether a change of names that was not synced is on the medium all the same. */
  readonly name: () => boolean;
  /** Whether a rename's two halves share their fate. */
  readonly renamesWhole: boolean;
  readonly change: Loss;
}

export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}

export class Disk {
  readonly #directories = new Map<string, Names>();
  readonly #durable = new Map<string, Names>();
  #pending: NameChange[] = [];
  #renames = 0;
  /** First part of a path → bytes that its file system holds. */
  readonly #capacities = new Map<string, number>();

  constructor() {
    this.#directories.set('/', new Map());
    this.#durable.set('/', new Map());
  }

  /** Infinity: as much as there is. */
  setCapacity(mount: string, bytes: number): void {
    this.#capacities.set(mount, bytes);
  }

  usedBy(mount: string): number {
    const inodes = new Set<Inode>();
    for (const [directory, names] of this.#directories) {
      if (mountOf(`${directory}/`) === mount) for (const inode of names.values()) inodes.add(inode);
    }
    let pages = 0;
    for (const inode of inodes) pages += inode.allocated;
    return pages * PAGE;
  }

  /** Bytes still free where `path` is. */
  freeAt(path: string): number {
    const mount = mountOf(path);
    const capacity = this.#capacities.get(mount);
    return capacity === undefined ? 2 ** 40 : Math.max(0, capacity - this.usedBy(mount));
  }

  find(path: string): Inode | undefined {
    return this.#directories.get(dirname(path))?.get(basename(path));
  }

  create(path: string): Inode {
    const names = this.#namesOf(dirname(path));
    const inode = new Inode();
    names.set(basename(path), inode);
    this.#note(path, inode, 0);
    return inode;
  }

  link(path: string, inode: Inode): void {
    this.#namesOf(dirname(path)).set(basename(path), inode);
    this.#note(path, inode, 0);
  }

  rename(from: string, to: string): void {
    const inode = this.find(from);
    if (inode === undefined || !this.#directories.has(dirname(to))) throw systemError('ENOENT', from);
    if (from === to) return;
    this.#namesOf(dirname(to)).set(basename(to), inode);
    this.#namesOf(dirname(from)).delete(basename(from));
    this.#renames += 1;
    this.#note(to, inode, this.#renames);
    this.#note(from, undefined, this.#renames);
  }

  remove(path: string): void {
    if (this.find(path) === undefined) return;
    this.#namesOf(dirname(path)).delete(basename(path));
    this.#note(path, undefined, 0);
  }

  stat(path: string): FileStat | undefined {
    const inode = this.find(path);
    // Nobody puts another file in the place of one here.
    const identity = path;
    if (inode !== undefined)
      return { kind: 'file', size: inode.size, modifiedAt: inode.modifiedAt, identity };
    return this.#directories.has(path) ? { kind: 'directory', size: 0, modifiedAt: 0, identity } : undefined;
  }

  list(directory: string): string[] {
    const names = [...this.#namesOf(directory).keys()];
    for (const path of this.#directories.keys()) {
      if (path !== '/' && dirname(path) === directory) names.push(basename(path));
    }
    return names;
  }

  /** Durable at once, as the product's `makeDirectory` sees to it. */
  makeDirectory(directory: string): void {
    for (let at = directory; !this.#directories.has(at); at = dirname(at)) {
      this.#directories.set(at, new Map());
      this.#durable.set(at, new Map());
    }
  }

  removeTree(directory: string): void {
    this.remove(directory);
    for (const [path, names] of [...this.#directories]) {
      if (path !== directory && !path.startsWith(`${directory}/`)) continue;
      for (const name of names.keys()) this.remove(`${path}/${name}`);
      this.#directories.delete(path);
      this.#durable.delete(path);
      this.#pending = this.#pending.filter((change) => change.directory !== path);
    }
  }

  syncDirectory(directory: string): void {
    this.#namesOf(directory);
    for (const change of this.#pending) if (change.directory === directory) this.#settle(change);
    this.#pending = this.#pending.filter((change) => change.directory !== directory);
  }

  /** The path's file if the power failed now and nothing unsynced was kept. */
  findDurable(path: string): Inode | undefined {
    return this.#durable.get(dirname(path))?.get(basename(path));
  }

  listDurable(directory: string): string[] {
    return [...(this.#durable.get(directory)?.keys() ?? [])];
  }

  /** What is on the medium now, to be set back to: {@link restore}. */
  image(): DiskImage {
    return new Map([...this.#durable].map(([directory, names]) => [directory, copyOf(names)]));
  }

  restore(image: DiskImage): void {
    this.#directories.clear();
    this.#durable.clear();
    this.#pending = [];
    for (const [directory, names] of image) {
      const copies = copyOf(names);
      this.#directories.set(directory, copies);
      this.#durable.set(directory, new Map(copies));
    }
  }

  losePower(policy: LossPolicy): void {
    const fates = new Map<number, boolean>();
    for (const change of this.#pending) {
      const shared = policy.renamesWhole && change.rename !== 0 ? fates.get(change.rename) : undefined;
      const kept = shared ?? policy.name();
      if (change.rename !== 0) fates.set(change.rename, kept);
      if (kept) this.#settle(change);
    }
    this.#pending = [];
    const inodes = new Set<Inode>();
    for (const [directory, names] of this.#durable) {
      this.#directories.set(directory, new Map(names));
      for (const inode of names.values()) inodes.add(inode);
    }
    for (const inode of inodes) inode.loseMemory(policy.change);
  }

  #namesOf(directory: string): Names {
    const names = this.#directories.get(directory);
    if (names === undefined) throw systemError('ENOENT', directory);
    return names;
  }

  #note(path: string, inode: Inode | undefined, rename: number): void {
    this.#pending.push({ directory: dirname(path), name: basename(path), inode, rename });
  }

  #settle({ directory, name, inode }: NameChange): void {
    const names = this.#durable.get(directory);
    if (inode === undefined) names?.delete(name);
    else names?.set(name, inode);
  }
}

function copyOf(names: ReadonlyMap<string, Inode>): Names {
  return new Map([...names].map(([name, inode]) => [name, inode.durableCopy()]));
}

function mountOf(path: string): string {
  return path.split('/')[1] ?? '';
}
