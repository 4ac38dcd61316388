/**
 * Hands what a deleted snapshot kept, and the snapshot before it still needs, to the chunk file of that one: appended,
 * made durable and counted there before its room here is given back (I7). A crash at any moment leaves each chunk in one
 * of the two files at least, and what was handed over is not handed over again.
 */
import { describeError, errorCode } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Catalogue } from './catalogue.ts';
import type { ChunkFile, ReadChunk } from './chunk-file.ts';
import { CHUNK_SIZE, type RunBuilder } from './chunk-format.ts';
import { chunkKey, chunkOf, volumeOf, type ChunkKey } from './chunk-index.ts';
import { snapshotDamaged } from './snapshot-errors.ts';

/** Chunks in a step: 4 MiB. */
export const MERGE_STEP_CHUNKS = 64;

export class ChunkMerge {
  readonly from: ChunkFile;
  readonly #into: ChunkFile;
  readonly #log: Log;
  /** Whether the file is open for this merge alone. */
  readonly #reopened: boolean;
  /** In the numbers of `#into`; ascending. */
  readonly #keys: Float64Array;
  readonly #buffer = Buffer.alloc(CHUNK_SIZE);
  #done = 0;

  /** Both are sound. What `from` has and nobody asks it for is given back at once: a full disk may need that room. */
  constructor(into: ChunkFile, from: ChunkFile, log: Log) {
    this.#into = into;
    this.from = from;
    this.#log = log;
    const needed: number[] = [];
    const useless: ChunkKey[] = [];
    for (const key of from.index.keys() as Iterable<ChunkKey>) {
      const number = into.volumeNumber(from.volumeName(volumeOf(key)));
      const needs = number !== undefined && chunkOf(key) * CHUNK_SIZE < into.volumeSize(number);
      const translated = chunkKey(number ?? 0, chunkOf(key));
      if (needs && !into.index.has(translated)) needed.push(translated);
      else useless.push(key);
    }
    this.#keys = Float64Array.from(needed).sort();
    from.release(useless);
    this.#reopened = into.end === undefined;
    if (this.#reopened) into.reopen();
  }

  /**
   * `damaged`: what is left cannot be read, and stays where it is.
   * @throws the operating system's errors; the merge is then to be ended
   */
  step(catalogue: Catalogue, builder: RunBuilder): 'more' | 'done' | 'damaged' {
    const keys = this.#keys.subarray(this.#done, this.#done + MERGE_STEP_CHUNKS);
    if (keys.length === 0) return 'done';
    const handed = [...(keys as Iterable<ChunkKey>)].map((key) => this.#theirs(volumeOf(key), chunkOf(key)));
    try {
      this.#into.keep(keys, { read: this.#read, builder });
    } catch (error) {
      if (errorCode(error) !== 'SNAPSHOT_DAMAGED') throw error;
      // An older snapshot that needs the chunk is to be told of the damage when it is read.
      this.#log.error(
        `${describeError(error)}; it is kept although its snapshot was deleted; check the disk`,
      );
      return 'damaged';
    }
    if (this.#reopened) catalogue.change({ [this.#into.id]: { kept: this.#into.end } });
    this.from.release(handed);
    this.#done += keys.length;
    return this.#done < this.#keys.length ? 'more' : 'done';
  }

  /** Done or not. */
  end(): void {
    const end = this.#into.end;
    if (this.#reopened && end !== undefined) this.#into.finish(end);
  }

  #theirs(number: number, chunk: number): ChunkKey {
    return chunkKey(this.from.volumeNumber(this.#into.volumeName(number)) ?? 0, chunk);
  }

  readonly #read: ReadChunk = (number, chunk, into) => {
    const volume = this.#into.volumeName(number);
    this.from.readChunk(this.#theirs(number, chunk), this.#buffer, (why) =>
      snapshotDamaged(this.from.id, volume, why),
    );
    // The volume may have grown between the two.
    this.#buffer.copy(into, 0, 0, into.length);
    return true;
  };
}
