/**
 * Which chunks a chunk file holds, where, and with which CRC: an open hash table in typed arrays, 16 bytes a slot, at most
 * three quarters full. That is 21 to 43 bytes a chunk: 0.34 to 0.67 MiB of memory for each GiB of chunks kept, half as
 * much again for a moment while it grows. Pure.
 */
import { assert } from '../platform/errors.ts';
import { BLOCK_SIZE, CHUNKS_PER_VOLUME_MAX } from './chunk-format.ts';

/** A volume's number and a chunk's, as one number. */
export type ChunkKey = number & { readonly __brand: 'ChunkKey' };

const SLOTS_MIN = 1024;
const FREE = -1;
/** In place of a position: all zeros. The block number of data is never 0. */
const ZEROS = 0;
const BLOCKS_MAX = 0xffff_ffff;

export function chunkKey(volume: number, chunk: number): ChunkKey {
  return (volume * CHUNKS_PER_VOLUME_MAX + chunk) as ChunkKey;
}

export function volumeOf(key: ChunkKey): number {
  return Math.floor(key / CHUNKS_PER_VOLUME_MAX);
}

export function chunkOf(key: ChunkKey): number {
  return key % CHUNKS_PER_VOLUME_MAX;
}

/** `zeros`: nothing is stored. `position` in the chunk file, bytes. */
export type IndexedChunk =
  { readonly kind: 'zeros' } | { readonly kind: 'data'; readonly position: number; readonly crc: number };

export class ChunkIndex {
  #keys = new Float64Array(SLOTS_MIN).fill(FREE);
  #blocks = new Uint32Array(SLOTS_MIN);
  #crcs = new Uint32Array(SLOTS_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** All of them, ascending: by volume, then by chunk. */
  keys(): Float64Array {
    return this.#keys.filter((key) => key !== FREE).sort();
  }

  has(key: ChunkKey): boolean {
    return this.#keys[this.#slot(key)] === key;
  }

  find(key: ChunkKey): IndexedChunk | undefined {
    const slot = this.#slot(key);
    if (this.#keys[slot] !== key) return undefined;
    const block = this.#blocks[slot] ?? 0;
    if (block === ZEROS) return { kind: 'zeros' };
    return { kind: 'data', position: block * BLOCK_SIZE, crc: this.#crcs[slot] ?? 0 };
  }

  /** No effect when the key is there already: the first copy of a chunk is the one that counts. */
  add(key: ChunkKey, chunk: IndexedChunk): void {
    if ((this.#count + 1) * 4 > this.#keys.length * 3) this.#grow();
    const slot = this.#slot(key);
    if (this.#keys[slot] === key) return;
    this.#count += 1;
    this.#keys[slot] = key;
    if (chunk.kind === 'zeros') return;
    const block = chunk.position / BLOCK_SIZE;
    assert(
      Number.isInteger(block) && block > 0 && block <= BLOCKS_MAX,
      'a chunk file of at most 16 TiB, in whole blocks',
    );
    this.#blocks[slot] = block;
    this.#crcs[slot] = chunk.crc;
  }

  /** Tells every chunk of a volume from number `first` on, `count` of them, that is here; in no order. */
  visit(
    range: { readonly volume: number; readonly first: number; readonly count: number },
    tell: (chunk: number, isZeros: boolean) => void,
  ): void {
    const start = chunkKey(range.volume, range.first);
    if (this.#count < range.count) {
      for (let slot = 0; slot < this.#keys.length; slot += 1) {
        const key = this.#keys[slot] ?? FREE;
        if (key >= start && key < start + range.count)
          tell(range.first + key - start, this.#blocks[slot] === ZEROS);
      }
      return;
    }
    for (let i = 0; i < range.count; i += 1) {
      const slot = this.#slot((start + i) as ChunkKey);
      if (this.#keys[slot] === start + i) tell(range.first + i, this.#blocks[slot] === ZEROS);
    }
  }

  /** Where the key is, or the free slot where it belongs. */
  #slot(key: ChunkKey): number {
    const mask = this.#keys.length - 1;
    const low = key >>> 0;
    const high = (key / 0x1_0000_0000) >>> 0;
    let hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    let slot = (hash ^ (hash >>> 13)) & mask;
    for (;;) {
      const there = this.#keys[slot];
      if (there === key || there === FREE) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const [keys, blocks, crcs] = [this.#keys, this.#blocks, this.#crcs];
    this.#keys = new Float64Array(keys.length * 2).fill(FREE);
    this.#blocks = new Uint32Array(keys.length * 2);
    this.#crcs = new Uint32Array(keys.length * 2);
    for (let from = 0; from < keys.length; from += 1) {
      const key = keys[from] ?? FREE;
      if (key === FREE) continue;
      const slot = this.#slot(key as ChunkKey);
      this.#keys[slot] = key;
      this.#blocks[slot] = blocks[from] ?? 0;
      this.#crcs[slot] = crcs[from] ?? 0;
    }
  }
}
