/**
 * Which pieces of which chunks a chunk file holds, where, and with which CRC: an open hash table in typed arrays, 18 bytes a
 * slot, at most three quarters full, a slot a piece. That is 24 to 48 bytes a piece: 0.4 to 0.75 MiB of memory for each GiB that
 * was kept a whole chunk at a time, half as much again for a moment while it grows. Pure.
 */
import { assert } from '../platform/errors.ts';
import { BLOCK_SIZE, CHUNKS_PER_VOLUME_MAX } from './chunk-format.ts';
import { either, NO_GRANULES, without, type Granules } from './granules.ts';

/** A volume's number and a chunk's, as one number. */
export type ChunkKey = number & { readonly __brand: 'ChunkKey' };

/** Of each chunk, what is to be kept of it; ascending. */
export type WantedGranules = ReadonlyMap<ChunkKey, Granules>;

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
export type IndexedPiece = { readonly granules: Granules } & (
  { readonly kind: 'zeros' } | { readonly kind: 'data'; readonly position: number; readonly crc: number }
);

export class ChunkIndex {
  #keys = new Float64Array(SLOTS_MIN).fill(FREE);
  #blocks = new Uint32Array(SLOTS_MIN);
  #crcs = new Uint32Array(SLOTS_MIN);
  #granules = new Uint16Array(SLOTS_MIN);
  #count = 0;

  /** Of pieces. */
  get count(): number {
    return this.#count;
  }

  /** Of every chunk of which anything is here, ascending: by volume, then by chunk. */
  keys(): Float64Array {
    const sorted = this.#keys.filter((key) => key !== FREE).sort();
    return sorted.filter((key, i) => i === 0 || key !== sorted[i - 1]);
  }

  /** What is here of a chunk. */
  granules(key: ChunkKey): Granules {
    let granules = NO_GRANULES;
    for (let slot = this.#start(key); this.#keys[slot] !== FREE; slot = this.#next(slot)) {
      if (this.#keys[slot] === key) granules = either(granules, this.#granulesAt(slot));
    }
    return granules;
  }

  /** Of a chunk. */
  pieceCount(key: ChunkKey): number {
    let count = 0;
    for (let slot = this.#start(key); this.#keys[slot] !== FREE; slot = this.#next(slot)) {
      if (this.#keys[slot] === key) count += 1;
    }
    return count;
  }

  /** What is here of a chunk, piece by piece. Where two have the same granule, it is the same in both. */
  pieces(key: ChunkKey): IndexedPiece[] {
    const pieces: IndexedPiece[] = [];
    for (let slot = this.#start(key); this.#keys[slot] !== FREE; slot = this.#next(slot)) {
      if (this.#keys[slot] !== key) continue;
      const [granules, block] = [this.#granulesAt(slot), this.#blocks[slot] ?? 0];
      if (block === ZEROS) pieces.push({ kind: 'zeros', granules });
      else {
        const [position, crc] = [block * BLOCK_SIZE, this.#crcs[slot] ?? 0];
        pieces.push({ kind: 'data', granules, position, crc });
      }
    }
    return pieces;
  }

  /** No effect when all of it is there already. */
  add(key: ChunkKey, piece: IndexedPiece): void {
    if (without(piece.granules, this.granules(key)) === NO_GRANULES) return;
    if ((this.#count + 1) * 4 > this.#keys.length * 3) this.#grow();
    const slot = this.#free(key);
    this.#count += 1;
    this.#keys[slot] = key;
    this.#granules[slot] = piece.granules;
    if (piece.kind === 'zeros') return;
    const block = piece.position / BLOCK_SIZE;
    assert(
      Number.isInteger(block) && block > 0 && block <= BLOCKS_MAX,
      'a chunk file of at most 16 TiB, in whole blocks',
    );
    this.#blocks[slot] = block;
    this.#crcs[slot] = piece.crc;
  }

  /** Tells every piece that is here of a volume's chunks from number `first` on, `count` of them; in no order. */
  visit(
    range: { readonly volume: number; readonly first: number; readonly count: number },
    tell: (chunk: number, piece: { readonly granules: Granules; readonly isZeros: boolean }) => void,
  ): void {
    const start = chunkKey(range.volume, range.first);
    const visitSlot = (slot: number): void => {
      const granules = this.#granulesAt(slot);
      tell(range.first + (this.#keys[slot] ?? 0) - start, {
        granules,
        isZeros: this.#blocks[slot] === ZEROS,
      });
    };
    if (this.#count < range.count) {
      for (let slot = 0; slot < this.#keys.length; slot += 1) {
        const key = this.#keys[slot] ?? FREE;
        if (key >= start && key < start + range.count) visitSlot(slot);
      }
      return;
    }
    for (let key = start; key < start + range.count; key = (key + 1) as ChunkKey) {
      for (let slot = this.#start(key); this.#keys[slot] !== FREE; slot = this.#next(slot)) {
        if (this.#keys[slot] === key) visitSlot(slot);
      }
    }
  }

  #granulesAt(slot: number): Granules {
    return (this.#granules[slot] ?? 0) as Granules;
  }

  /** From here to the next free slot all pieces of the chunk are found. */
  #start(key: ChunkKey): number {
    const low = key >>> 0;
    const high = (key / 0x1_0000_0000) >>> 0;
    let hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    return (hash ^ (hash >>> 13)) & (this.#keys.length - 1);
  }

  #next(slot: number): number {
    return (slot + 1) & (this.#keys.length - 1);
  }

  #free(key: ChunkKey): number {
    let slot = this.#start(key);
    while (this.#keys[slot] !== FREE) slot = this.#next(slot);
    return slot;
  }

  #grow(): void {
    const [keys, blocks, crcs, granules] = [this.#keys, this.#blocks, this.#crcs, this.#granules];
    this.#keys = new Float64Array(keys.length * 2).fill(FREE);
    this.#blocks = new Uint32Array(keys.length * 2);
    this.#crcs = new Uint32Array(keys.length * 2);
    this.#granules = new Uint16Array(keys.length * 2);
    for (let from = 0; from < keys.length; from += 1) {
      const key = keys[from] ?? FREE;
      if (key === FREE) continue;
      const slot = this.#free(key as ChunkKey);
      this.#keys[slot] = key;
      this.#blocks[slot] = blocks[from] ?? 0;
      this.#crcs[slot] = crcs[from] ?? 0;
      this.#granules[slot] = granules[from] ?? 0;
    }
  }
}
