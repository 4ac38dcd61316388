/**
 * The files of a journal's raw segments: allocated once, used again and again. Their number bounds what can be
 * undestaged, and so the memory of its index; and as their blocks are there already, a full disk stops none of them (I8).
 */
import { join } from 'node:path';
import { errorCode } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';

/** Raw segments at most, the open one included. */
export const RAWS_MAX = 8;
/** Made at the start, so that there is always one to go on with while another is destaged. */
const RAWS_MIN = 3;
const SPARE = /^spare-\d+\.raw$/;

export interface SpareRaw {
  readonly file: OpenFile;
  readonly path: string;
}

export class RawPool {
  readonly #files: Files;
  readonly #folder: string;
  readonly #fileSize: number;
  readonly #spares: SpareRaw[] = [];
  #count: number;
  #made = 0;

  /** `recovered`: how many raw segments of an earlier run still hold records. */
  constructor(files: Files, folder: string, fileSize: number, recovered: number) {
    this.#files = files;
    this.#folder = folder;
    this.#fileSize = fileSize;
    this.#count = recovered;
    for (const name of files.list(folder)) if (SPARE.test(name)) files.remove(join(folder, name));
    while (this.#spares.length < RAWS_MIN) {
      const spare = this.#make();
      if (spare === undefined) break;
      this.#spares.push(spare);
    }
  }

  /** Undefined when all are in use, or another cannot be had. */
  take(): SpareRaw | undefined {
    return this.ready() ? this.#spares.shift() : undefined;
  }

  /** Whether `take` will give one. */
  ready(): boolean {
    if (this.#spares.length === 0 && this.#count < RAWS_MAX) {
      const spare = this.#make();
      if (spare !== undefined) this.#spares.push(spare);
    }
    return this.#spares.length > 0;
  }

  /** The spare's file is called `path` from now on. */
  rename(spare: SpareRaw, path: string): void {
    this.#files.rename(spare.path, path);
  }

  /** A raw segment's file is no longer needed. One of another size (the configuration changed) is removed. */
  give(path: string): void {
    this.#count -= 1;
    const spare = this.#nextPath();
    this.#files.rename(path, spare);
    const file = this.#files.open(spare, 'write');
    if (file.size() === this.#fileSize && this.#count < RAWS_MAX) {
      this.#count += 1;
      this.#spares.push({ file, path: spare });
      return;
    }
    file.close();
    this.#files.remove(spare);
  }

  close(): void {
    for (const spare of this.#spares.splice(0)) spare.file.close();
  }

  #make(): SpareRaw | undefined {
    const path = this.#nextPath();
    const file = this.#files.open(path, 'create-new');
    try {
      file.allocate(this.#fileSize);
    } catch (error) {
      file.close();
      this.#files.remove(path);
      const code = errorCode(error);
      if (code === 'ENOSPC' || code === 'EDQUOT') return undefined;
      throw error;
    }
    this.#count += 1;
    return { file, path };
  }

  #nextPath(): string {
    this.#made += 1;
    return join(this.#folder, `spare-${this.#made}.raw`);
  }
}
