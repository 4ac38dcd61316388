/**
 * Hands what a deleted snapshot kept, and the snapshot before it still needs, to the chunk file of that one: appended,
 * made durable and counted there before its room here is given back (I7). A crash at any moment leaves each chunk in one
 * of the two files at least, and what was handed over is not handed over again.
 */
import { describeError, errorCode } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Catalogue } from './catalogue.ts';
import type { ChunkFile, ReadGranules } from './chunk-file.ts';
import type { RunBuilder } from './chunk-format.ts';
import { chunkKey, chunkOf, volumeOf, type ChunkKey, type WantedGranules } from './chunk-index.ts';
import { both, CHUNK_SIZE, NO_GRANULES, spansOf, without, type Granules } from './granules.ts';
import { snapshotDamaged } from './snapshot-errors.ts';

/** Chunks in a step: 4 MiB at most. */
export const MERGE_STEP_CHUNKS = 64;

export class ChunkMerge {
  readonly from: ChunkFile;
  readonly #into: ChunkFile;
  readonly #log: Log;
  /** Where the file is open for this merge alone: what of it counts by the catalogue. */
  #counted: number | undefined;
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
      if (needs && this.#needed(translated) !== NO_GRANULES) needed.push(translated);
      else useless.push(key);
    }
    this.#keys = Float64Array.from(needed).sort();
    from.release(useless);
    if (into.end !== undefined) return;
    into.reopen();
    this.#counted = into.end;
  }

  /**
   * `damaged`: what is left cannot be read, and stays where it is.
   * @throws the operating system's errors; the merge is then to be ended
   */
  step(catalogue: Catalogue, builder: RunBuilder): 'more' | 'done' | 'damaged' {
    const keys = this.#keys.subarray(this.#done, this.#done + MERGE_STEP_CHUNKS);
    if (keys.length === 0) return 'done';
    const wanted: WantedGranules = new Map(
      [...(keys as Iterable<ChunkKey>)].map((key) => [key, this.#needed(key)]),
    );
    try {
      this.#into.append(wanted, { read: this.#read, builder });
      this.#into.settle();
    } catch (error) {
      if (errorCode(error) !== 'SNAPSHOT_DAMAGED') throw error;
      // An older snapshot that needs the chunk is to be told of the damage when it is read.
      this.#log.error(
        `${describeError(error)}; it is kept although its snapshot was deleted; check the disk`,
      );
      return 'damaged';
    }
    if (this.#counted !== undefined) {
      catalogue.change({ [this.#into.id]: { kept: this.#into.end } });
      this.#counted = this.#into.end;
    }
    this.from.release([...wanted.keys()].map((key) => this.#theirs(key)));
    this.#done += keys.length;
    return this.#done < this.#keys.length ? 'more' : 'done';
  }

  /** Done or not. What was appended and the catalogue does not count is not there. */
  end(): void {
    if (this.#counted !== undefined && this.#into.end !== undefined) this.#into.finish(this.#counted);
  }

  #theirs(key: ChunkKey): ChunkKey {
    return chunkKey(this.from.volumeNumber(this.#into.volumeName(volumeOf(key))) ?? 0, chunkOf(key));
  }

  /** What only `from` has of a chunk of `#into`. */
  #needed(key: ChunkKey): Granules {
    const theirs = both(this.from.index.granules(this.#theirs(key)), this.#into.granulesOf(key));
    return without(theirs, this.#into.index.granules(key));
  }

  readonly #read: ReadGranules = (number, chunk, granules, into) => {
    const key = chunkKey(number, chunk);
    this.from.readChunk(this.#theirs(key), granules, this.#buffer, (why) =>
      snapshotDamaged(this.from.id, this.#into.volumeName(number), why),
    );
    let at = 0;
    // The volume may have grown between the two: the last granule is cut where `into` ends.
    for (const { start, end } of spansOf(granules)) at += this.#buffer.copy(into, at, start, end);
    return true;
  };
}
