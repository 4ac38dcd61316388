/**
 * A source group's folder copied to another, which may be on another file system. Replication files, which never change (I4),
 * go a step at a time while the group runs; the rest goes at once while nothing of it changes. Nothing counts before
 * `finish` has returned.
 */
import { dirname, join } from 'node:path';
import { isSpareRaw } from '../../capture/raw-pool.ts';
import { DIGEST_TABLE_FILE } from '../../journal/digest-table-format.ts';
import { JOURNAL_FOLDER, parseSealedName, PART_SUFFIX } from '../../journal/names.ts';
import { errorCode, OperatorError } from '../../platform/errors.ts';
import type { Files, OpenFile } from '../../platform/files.ts';
import { bytesText } from '../../platform/words.ts';
import { PLACE_FILES } from './buffer-place.ts';

/** Bytes copied in one step. */
const PIECE = 1024 * 1024;
/** Left for the file system's own needs, bytes. */
const MARGIN = 16 * 1024 * 1024;
/** Replication files that the rest may have, so that it does not take long. */
const REST_MAX = 2;
/** Times that what was sealed meanwhile is copied, where it is sealed as fast as that. */
const ROUNDS_MAX = 20;
/** Files that are removed in one step. */
const REMOVED_MAX = 64;
/** Made anew at every start. */
const POINTS = 'points';

export interface CopyProgress {
  /** Bytes of replication files, as far as they are known. */
  readonly copied: number;
  readonly total: number;
  /** It is time for the rest. */
  readonly isDone: boolean;
}

interface Copying {
  readonly name: string;
  readonly from: OpenFile;
  readonly to: OpenFile;
  readonly size: number;
  at: number;
}

export class FolderCopy {
  readonly #files: Files;
  readonly #from: string;
  readonly #to: string;
  readonly #copied = new Set<string>();
  #queue: string[] = [];
  #rounds = 0;
  #under: Copying | undefined;
  #bytes = 0;
  #left = 0;

  /** @throws OperatorError `BUFFER_MOVE_NO_ROOM`; the file system's errors */
  constructor(files: Files, from: string, to: string) {
    this.#files = files;
    this.#from = from;
    this.#to = to;
    const needed = sizeOf(files, from) + MARGIN;
    const free = files.freeSpace(to);
    if (free < needed) {
      throw new OperatorError(
        'BUFFER_MOVE_NO_ROOM',
        `${to} has ${bytesText(free)} free, and ${bytesText(needed)} are needed`,
        { remedy: 'make room there', retryable: true },
      );
    }
    files.makeDirectory(join(to, JOURNAL_FOLDER));
  }

  /** At most a piece is copied. @throws the file system's errors; then `close` it */
  step(): CopyProgress {
    this.#under ??= this.#next();
    if (this.#under !== undefined) this.#piece(this.#under);
    const isDone = this.#under === undefined && this.#queue.length === 0 && !this.#again();
    return { copied: this.#bytes, total: this.#bytes + this.#left, isDone };
  }

  /** Whether it is being copied. */
  reads({ name }: { readonly name: string }): boolean {
    return this.#under?.name === name;
  }

  /** All that is there now is in the other folder, durably. Nobody else may change either. @throws the file system's errors */
  finish(): void {
    this.close();
    this.#removeFreed();
    for (const folder of this.#copyTree('')) this.#files.syncDirectory(join(this.#to, folder));
  }

  close(): void {
    this.#under?.from.close();
    this.#under?.to.close();
    this.#under = undefined;
  }

  /** What was sealed since it was last looked. */
  #again(): boolean {
    this.#rounds += 1;
    if (this.#rounds > ROUNDS_MAX) return false;
    const sealed = this.#sealed(this.#from).filter((name) => !this.#copied.has(name));
    if (this.#rounds > 1 && sealed.length <= REST_MAX) return false;
    this.#queue = sealed;
    this.#left = sealed.reduce((sum, name) => sum + sizeIn(this.#files, this.#path(this.#from, name)), 0);
    return sealed.length > 0;
  }

  /** Undefined: there is none; one that was freed meanwhile needs no copy. */
  #next(): Copying | undefined {
    for (let name = this.#queue.shift(); name !== undefined; name = this.#queue.shift()) {
      const from = openIfThere(this.#files, this.#path(this.#from, name));
      if (from === undefined) continue;
      try {
        const to = this.#files.open(this.#path(this.#to, name + PART_SUFFIX), 'create-new');
        const copying = { name, from, to, size: from.size(), at: 0 };
        this.#under = copying;
        to.allocate(copying.size);
        return copying;
      } catch (error) {
        if (this.#under === undefined) from.close();
        throw error;
      }
    }
    return undefined;
  }

  #piece(copying: Copying): void {
    const { name, from, to, size, at } = copying;
    const length = Math.min(PIECE, size - at);
    copyRange(from, to, at, length);
    copying.at += length;
    this.#bytes += length;
    this.#left = Math.max(0, this.#left - length);
    if (copying.at < size) return;
    to.syncNow();
    this.close();
    this.#files.rename(this.#path(this.#to, name + PART_SUFFIX), this.#path(this.#to, name));
    this.#copied.add(name);
  }

  /** What was freed, or merged into another, after it was copied. */
  #removeFreed(): void {
    const there = new Set(this.#sealed(this.#from));
    for (const name of this.#files.list(join(this.#to, JOURNAL_FOLDER)))
      if (!there.has(name) || !this.#copied.has(name)) this.#files.remove(this.#path(this.#to, name));
  }

  /** Returns the folders, innermost first. */
  #copyTree(folder: string): string[] {
    this.#files.makeDirectory(join(this.#to, folder));
    const folders: string[] = [];
    for (const name of wanted(this.#files, this.#from, folder)) {
      const path = join(folder, name);
      if (this.#files.stat(join(this.#from, path))?.kind === 'directory')
        folders.push(...this.#copyTree(path));
      else if (folder !== JOURNAL_FOLDER || !this.#copied.has(name)) this.#copyFile(path, name);
    }
    return [...folders, folder];
  }

  #copyFile(path: string, name: string): void {
    const from = this.#files.open(join(this.#from, path), 'read');
    try {
      const to = this.#files.open(join(this.#to, path), 'create-new');
      try {
        const size = from.size();
        // Where there are blocks already a full disk is in nobody's way (I8).
        if (name === DIGEST_TABLE_FILE) to.truncate(size);
        else to.allocate(size);
        if (!isSpareRaw(name)) copyData(from, to, size);
        to.syncNow();
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
  }

  #sealed(folder: string): string[] {
    return this.#files
      .list(join(folder, JOURNAL_FOLDER))
      .filter((name) => parseSealedName(name) !== undefined);
  }

  #path(folder: string, name: string): string {
    return join(folder, JOURNAL_FOLDER, name);
  }
}

/** A few of what lies in the folder are removed, all but what says where the group is. Whether there is more. */
export function clearFolder(files: Files, folder: string): boolean {
  if (files.stat(folder) === undefined) return false;
  let left = REMOVED_MAX;
  for (const name of files.list(folder)) {
    if (PLACE_FILES.has(name)) continue;
    const path = join(folder, name);
    if (files.stat(path)?.kind === 'directory') {
      for (const inner of files.list(path).slice(0, left)) {
        files.removeTree(join(path, inner));
        left -= 1;
      }
      if (files.list(path).length > 0) return true;
      files.removeTree(path);
    } else files.remove(path);
    left -= 1;
    if (left <= 0) return true;
  }
  files.syncDirectory(folder);
  return false;
}

/** Names of what is copied. What was never finished is not. */
function wanted(files: Files, root: string, folder: string): string[] {
  const isRoot = folder === '';
  return files
    .list(join(root, folder))
    .filter((name) => !name.endsWith(PART_SUFFIX) && !name.endsWith('.new'))
    .filter((name) => !isRoot || (!PLACE_FILES.has(name) && name !== POINTS));
}

/** Bytes of all that is copied. */
function sizeOf(files: Files, root: string, folder = ''): number {
  return wanted(files, root, folder).reduce((sum, name) => {
    const path = join(folder, name);
    const stat = files.stat(join(root, path));
    return sum + (stat?.kind === 'directory' ? sizeOf(files, root, path) : (stat?.size ?? 0));
  }, 0);
}

function sizeIn(files: Files, path: string): number {
  return files.stat(path)?.size ?? 0;
}

function openIfThere(files: Files, path: string): OpenFile | undefined {
  try {
    return files.open(path, 'read');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function copyData(from: OpenFile, to: OpenFile, size: number): void {
  for (let data = from.nextData(0); data !== undefined && data.start < size; data = from.nextData(data.end)) {
    const end = Math.min(size, data.end);
    for (let at = data.start; at < end; at += PIECE) copyRange(from, to, at, Math.min(PIECE, end - at));
    if (data.end >= size) return;
  }
}

/** @throws OperatorError when there is less */
function copyRange(from: OpenFile, to: OpenFile, position: number, length: number): void {
  const piece = Buffer.alloc(length);
  if (from.read(piece, position) !== length) {
    throw new OperatorError('BUFFER_MOVE_READ', `${from.path} ends before ${position + length}`, {
      remedy: `check the disk of ${dirname(from.path)}`,
    });
  }
  to.write(piece, position);
}
