/**
 * What is written to a mounted recovery point: kept in one file beside it, for all its volumes, until it is thrown away.
 * Nothing of it is meant to outlast the process, so nothing is synced.
 *
 * The file consists of blocks in the order in which they were first written; a table in memory says where each is. What was
 * trimmed is a list of ranges.
 */
import { dirname, join } from 'node:path';
import { HostError } from '../nbd/front-end.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import { BlockRanges } from './block-ranges.ts';
import { ScratchTable } from './scratch-table.ts';

export const SCRATCH_BLOCK = 4096;
/** Volumes up to 2^53 bytes. */
const BLOCKS_PER_VOLUME_MAX = 2 ** 41;
/** Ranges of trimmed blocks, 16 bytes each. */
const RANGES_MAX = 65_536;
/** Free bytes that a scratch file leaves on its file system, which may be the one that replication needs; looked at every so many blocks. */
const FREE_MARGIN = 256 * 1024 * 1024;
const FREE_CHECK_BLOCKS = 1024;

const NAME = /^\d+\.scratch$/;

/** What an earlier process left. */
export function removeScratches(files: Files, folder: string): void {
  if (files.stat(folder)?.kind !== 'directory') return;
  for (const name of files.list(folder)) if (NAME.test(name)) files.remove(join(folder, name));
}

export class Scratch {
  readonly #files: Files;
  readonly #file: OpenFile;
  /** Blocks. */
  readonly #max: number;
  readonly #table = new ScratchTable();
  readonly #trimmed = new Map<number, BlockRanges>();
  readonly #free: number[] = [];
  #end = 0;

  /** `size`: what it may take, bytes. @throws the operating system's errors */
  constructor(
    files: Files,
    options: { readonly folder: string; readonly number: number; readonly size: number },
  ) {
    files.makeDirectory(options.folder);
    this.#files = files;
    this.#file = files.open(join(options.folder, `${options.number}.scratch`), 'create-new');
    this.#max = Math.floor(options.size / SCRATCH_BLOCK);
  }

  /** Where a volume's block begins in the file; undefined when nothing was written to it. */
  find(volume: number, block: number): number | undefined {
    const place = this.#table.find(keyOf(volume, block));
    return place === undefined ? undefined : place * SCRATCH_BLOCK;
  }

  isTrimmed(volume: number, block: number): boolean {
    return this.#trimmed.get(volume)?.has(block) === true;
  }

  read(into: Uint8Array, position: number): void {
    this.#file.read(into, position);
  }

  /** Overwrites a part of what is there. */
  overwrite(from: Uint8Array, position: number): void {
    this.#file.write(from, position);
  }

  /** Puts in the whole of a block that is not there yet. @throws HostError `ENOSPC`; the operating system's errors */
  add(volume: number, block: number, content: Uint8Array): void {
    const reused = this.#free.pop();
    if (reused === undefined) this.#checkRoom();
    const place = reused ?? this.#end;
    try {
      this.#file.write(content, place * SCRATCH_BLOCK);
    } catch (error) {
      if (reused !== undefined) this.#free.push(reused);
      throw error;
    }
    if (reused === undefined) this.#end += 1;
    this.#table.set(keyOf(volume, block), place);
  }

  /** Blocks from `start` to `end`, that one not, read as zeros. @throws HostError `ENOSPC` */
  trim(volume: number, start: number, end: number): void {
    let ranges = this.#trimmed.get(volume);
    if (ranges === undefined) this.#trimmed.set(volume, (ranges = new BlockRanges()));
    if (ranges.count >= RANGES_MAX)
      throw new HostError('ENOSPC', `more than ${RANGES_MAX} trimmed ranges are not kept; mount it anew`);
    ranges.add(start, end);
    for (const key of this.#table.within(keyOf(volume, start), end - start)) {
      const place = this.#table.delete(key);
      if (place !== undefined) this.#free.push(place);
    }
  }

  /** Blocks of a range that were written, and ranges that were trimmed; the former count. */
  changes(
    volume: number,
    start: number,
    end: number,
  ): { readonly written: readonly number[]; readonly trimmed: Iterable<{ start: number; end: number }> } {
    const first = keyOf(volume, 0);
    return {
      written: this.#table.within(first + start, end - start).map((key) => key - first),
      trimmed: this.#trimmed.get(volume)?.within(start, end) ?? [],
    };
  }

  /** It is gone. */
  close(): void {
    this.#file.close();
    this.#files.remove(this.#file.path);
  }

  #checkRoom(): void {
    if (this.#end >= this.#max) {
      throw new HostError(
        'ENOSPC',
        `its scratch file has reached ${this.#max * SCRATCH_BLOCK} bytes (views.scratch-size)`,
      );
    }
    if (this.#end % FREE_CHECK_BLOCKS !== 0) return;
    const folder = dirname(this.#file.path);
    if (this.#files.freeSpace(folder) < FREE_MARGIN)
      throw new HostError(
        'ENOSPC',
        `${folder} has less than ${FREE_MARGIN} bytes left, which a scratch file does not take`,
      );
  }
}

function keyOf(volume: number, block: number): number {
  return volume * BLOCKS_PER_VOLUME_MAX + block;
}
