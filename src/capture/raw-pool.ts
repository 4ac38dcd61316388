/**
 * The files of a journal's raw segments: allocated once, used again and again. Their number bounds what can be
 * undestaged, and so the memory of its index; and as their blocks are there already, a full disk stops none of them (I8).
 *
 * Hosts write faster than volumes take it at random places: what they write in a burst goes into more files, while there is
 * room to seal all of them, and they are removed again when it is destaged.
 */
import { basename, join } from 'node:path';
import { errorCode } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';

/** Raw segments, the open one included, that are made whatever room there is; more only beside room to seal all. */
export const RAWS_SURE = 8;
/**
 * Bytes of raw segments at most, where these are more: some seconds of what a host's thread takes. When they are full hosts
 * write as fast as is destaged, at random a fifth of that. A restart reads all of them before hosts come (2.6 GiB 2.9 to 3.7 s),
 * and what is in them is what a destination may be behind.
 */
const RAWS_BYTES_MAX = 3 * 1024 * 1024 * 1024;
/** With more of them not destaged none is made for a burst: 35 MiB of memory. */
export const EXTENTS_MAX = 1024 * 1024;
/** Of the buffer's quota, beside which they are. */
const RAWS_SHARE = 0.25;
/** Made at the start, so that there is always one to go on with while another is destaged. */
const RAWS_MIN = 3;
const SPARE = /^spare-(from-)?[\da-f-]+\.raw$/;

/** Raw segments of `fileSize` bytes each at most, the open one included. */
export function rawsMax(fileSize: number, quota: number): number {
  return Math.max(RAWS_SURE, Math.floor(Math.min(RAWS_BYTES_MAX, RAWS_SHARE * quota) / fileSize));
}

/** Whether this is the name of a file that waits to become a raw segment: what it holds counts for nothing. */
export function isSpareRaw(name: string): boolean {
  return SPARE.test(name);
}

export interface SpareRaw {
  readonly file: OpenFile;
  readonly path: string;
}

/** What an earlier run left. */
export interface LeftRaws {
  /** Raw segments that still hold records. */
  readonly count: number;
  /**
   * Where the file that goes on behind them lies, if there is one. It is the first spare and keeps its name, which alone
   * says where the one before it ends: behind that may lie an append that failed.
   */
  readonly successor: string;
}

export interface RawPoolOptions {
  readonly files: Files;
  readonly folder: string;
  readonly fileSize: number;
  /** Files at most, spares included. */
  readonly max: number;
  /** Of what is in them and not destaged, as it is indexed in memory. */
  readonly extents: () => number;
}

export class RawPool {
  readonly #files: Files;
  readonly #folder: string;
  readonly #fileSize: number;
  readonly #max: number;
  readonly #extents: () => number;
  /**
   * The last is the next: what was given back last is in the processor's and the system's memory still. 1 MiB writes are 1.07
   * times as fast for it, and fewer files stay in memory.
   */
  readonly #spares: SpareRaw[] = [];
  #count: number;
  #made = 0;

  constructor({ files, folder, fileSize, max, extents }: RawPoolOptions, left: LeftRaws) {
    this.#files = files;
    this.#folder = folder;
    this.#fileSize = fileSize;
    this.#max = max;
    this.#extents = extents;
    this.#count = left.count;
    const names = files.list(folder);
    for (const name of names) if (isSpareRaw(name)) files.remove(join(folder, name));
    if (names.includes(basename(left.successor))) this.#keep(left.successor);
    while (this.#spares.length < RAWS_MIN) {
      const spare = this.#make();
      if (spare === undefined) break;
      this.#spares.unshift(spare);
    }
  }

  /** Raw segments, recovered ones included. */
  get inUse(): number {
    return this.#count - this.#spares.length;
  }

  /** Undefined when all are in use, or another cannot be had. */
  take(): SpareRaw | undefined {
    return this.ready() ? this.#spares.pop() : undefined;
  }

  /** Whether `take` will give one. */
  ready(): boolean {
    if (this.#spares.length === 0 && this.#mayMake()) {
      const spare = this.#make();
      if (spare !== undefined) this.#spares.push(spare);
    }
    return this.#spares.length > 0;
  }

  /** The spare's file is called `path` from now on. */
  rename(spare: SpareRaw, path: string): void {
    this.#files.rename(spare.path, path);
  }

  /** It was taken and could not be used. */
  putBack(spare: SpareRaw): void {
    this.#spares.push(spare);
  }

  /** A raw segment's file was replaced by another. */
  lost(): void {
    this.#count -= 1;
  }

  /**
   * A raw segment's file is no longer needed. It is used again, as that is 1.3 to 2.7 times as fast as a new one, unless a
   * burst is over that made many; one of another size (the configuration changed) is removed.
   * @throws the file system's errors; it is a raw segment still, and may be given again
   */
  give(path: string): void {
    // A name that nobody uses again: it may be removed when another writer has the folder.
    const spare = join(this.#folder, `spare-from-${basename(path, '.open')}.raw`);
    this.#files.rename(path, spare);
    this.#count -= 1;
    const isSurplus = this.#count >= this.#max || this.#spares.length >= RAWS_SURE;
    if (!isSurplus && this.#keep(spare)) return;
    // Its blocks take milliseconds to be given back, in which hosts would wait; what is left of it is removed by the next start.
    this.#files.removeLater(spare).catch(() => undefined);
  }

  close(): void {
    for (const spare of this.#spares.splice(0)) spare.file.close();
  }

  /** What is in all of them is still to be sealed, into the same file system. */
  #mayMake(): boolean {
    if (this.#count < RAWS_SURE) return true;
    if (this.#count >= this.#max || this.#extents() >= EXTENTS_MAX) return false;
    try {
      return this.#files.freeSpace(this.#folder) >= 2 * (this.#count + 1) * this.#fileSize;
    } catch {
      // None that was there is gone for it.
      return false;
    }
  }

  #make(): SpareRaw | undefined {
    const path = this.#nextPath();
    let file: OpenFile | undefined;
    try {
      file = this.#files.open(path, 'create-new');
      file.allocate(this.#fileSize);
    } catch (error) {
      file?.close();
      this.#files.remove(path);
      if (isDiskFull(error)) return undefined;
      throw error;
    }
    this.#count += 1;
    return { file, path };
  }

  /** Takes the file for a spare. False when it is of no use any more. */
  #keep(path: string): boolean {
    const file = this.#reopen(path);
    if (file === undefined) return false;
    this.#count += 1;
    this.#spares.push({ file, path });
    return true;
  }

  /** Undefined when it is of no use any more. */
  #reopen(path: string): OpenFile | undefined {
    let file: OpenFile | undefined;
    try {
      file = this.#files.open(path, 'write');
      if (file.size() === this.#fileSize) return file;
    } catch {
      // Another is made when one is needed, and if that fails too it is told.
    }
    file?.close();
    return undefined;
  }

  #nextPath(): string {
    this.#made += 1;
    return join(this.#folder, `spare-${this.#made}.raw`);
  }
}

export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errorCode(error));
}
