/**
 * The chunk file of a copy-on-write snapshot: what the volumes held at the snapshot, appended when it is first overwritten
 * after it and until the next snapshot. A volume is divided into *chunks* of 64 KiB, a chunk into sixteen *granules* of 4 KiB;
 * what is kept of a chunk at once is a *piece*. All numbers big endian; everything begins at a multiple of 4,096 bytes (a
 * *block*) and is filled up with zeros to the next.
 *
 *     file header, one block
 *     0   8   "BFCHUNKS"
 *     8   4   CRC-32 of bytes 12..36
 *     12  4   version, 2
 *     16  16  snapshot id
 *     32  4   bytes of a chunk, 65,536
 *
 *     run: a header block, then the data of its pieces in order, each from a block's beginning; any number of runs
 *     0   4   "BFRN"
 *     4   4   CRC-32 of bytes 8..(32 + 24 · count), started from the file header's CRC
 *     8   8   position of this block in the file
 *     16  8   durable: what lies below this position was durable before this run was written
 *     24  4   count of pieces; 0 is a mark, which only says how much is durable, and is overwritten by the next run
 *     28  4   0
 *     32 24·n chunk number (8), CRC-32 of the data (4), bytes of data (4; 0: the piece is all zeros, nothing follows for
 *             it), volume (1; its place in the snapshot's catalogue entry), 0 (1), granules (2; the lowest bit is the
 *             chunk's first one), 0 (4)
 *
 * A piece's data are its granules one behind the other. The last granule of a volume is as short as the volume makes it.
 * `durable` tells damage from a torn end: what is broken above every `durable` in the file was being written when the power
 * failed, and what it was to protect was never overwritten (I7).
 */
import { crc32 } from '@node-rs/crc32';
import { readUInt64, writeUInt64 } from '../journal/record.ts';
import { assert } from '../platform/errors.ts';
import { CHUNK_SIZE, GRANULE_SIZE, spansOf, type Granules } from './granules.ts';

export const BLOCK_SIZE = 4096;
/** Volumes up to 2^53 bytes. */
export const CHUNKS_PER_VOLUME_MAX = 2 ** 37;
/** Pieces in a run at most, zero or not; their table fits the header block. */
export const RUN_PIECES_MAX = 160;
/** Bytes of data in a run at most. */
export const RUN_DATA_MAX = 4 * 1024 * 1024;

const FILE_MAGIC = Buffer.from('BFCHUNKS', 'latin1');
const RUN_MAGIC = Buffer.from('BFRN', 'latin1');
const VERSION = 2;
const FILE_HEADER_SIZE = 36;
const RUN_HEADER_SIZE = 32;
const PIECE_ENTRY_SIZE = 24;
const ZERO_CHUNK = Buffer.alloc(CHUNK_SIZE);

export interface KeptPiece {
  readonly volume: number;
  readonly chunk: number;
  readonly granules: Granules;
  readonly crc: number;
  /** Bytes; 0: all zeros, and no data. */
  readonly length: number;
  /** Of its data in the file, bytes. */
  readonly position: number;
}

export interface RunHeader {
  readonly position: number;
  readonly durable: number;
  readonly pieces: readonly KeptPiece[];
  /** Where the next run begins. */
  readonly end: number;
}

const blocks = (bytes: number): number => Math.ceil(bytes / BLOCK_SIZE) * BLOCK_SIZE;

export function encodeFileHeader(snapshotId: string): Buffer {
  const header = Buffer.alloc(BLOCK_SIZE);
  FILE_MAGIC.copy(header);
  header.writeUInt32BE(VERSION, 12);
  header.write(snapshotId, 16, 'hex');
  header.writeUInt32BE(CHUNK_SIZE, 32);
  header.writeUInt32BE(crc32(header.subarray(12, FILE_HEADER_SIZE)), 8);
  return header;
}

/** What the CRCs of this file's runs start from: a run of another file is never taken for one of this. */
export function runSeed(snapshotId: string): number {
  return encodeFileHeader(snapshotId).readUInt32BE(8);
}

/** The run that begins at `position` with this header block, or undefined when it is none that is intact. */
export function decodeRunHeader(block: Buffer, position: number, seed: number): RunHeader | undefined {
  if (block.length < BLOCK_SIZE || RUN_MAGIC.compare(block, 0, RUN_MAGIC.length) !== 0) return undefined;
  const count = block.readUInt32BE(24);
  if (count > RUN_PIECES_MAX || readUInt64(block, 8) !== position) return undefined;
  const tableEnd = RUN_HEADER_SIZE + count * PIECE_ENTRY_SIZE;
  if (crc32(block.subarray(8, tableEnd), seed) !== block.readUInt32BE(4)) return undefined;
  const pieces: KeptPiece[] = [];
  let end = position + (count === 0 ? 0 : BLOCK_SIZE);
  for (let at = RUN_HEADER_SIZE; at < tableEnd; at += PIECE_ENTRY_SIZE) {
    const [chunk, length] = [readUInt64(block, at), block.readUInt32BE(at + 12)];
    const granules = block.readUInt16BE(at + 18) as Granules;
    if (!isLength(length, granules) || chunk >= CHUNKS_PER_VOLUME_MAX) return undefined;
    pieces.push({
      volume: block.readUInt8(at + 16),
      chunk,
      granules,
      crc: block.readUInt32BE(at + 8),
      length,
      position: end,
    });
    end += blocks(length);
  }
  return { position, durable: readUInt64(block, 16), pieces, end };
}

/** Whether a piece of these granules can have so many bytes. */
function isLength(length: number, granules: Granules): boolean {
  const most = spansOf(granules).reduce((sum, { start, end }) => sum + end - start, 0);
  return most > 0 && length <= most && (length === 0 || length > most - GRANULE_SIZE);
}

/** A header that only says up to where everything is durable. */
export function encodeMark(position: number, durable: number, seed: number): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  finishRunHeader(block, { position, durable, count: 0 }, seed);
  return block;
}

function finishRunHeader(
  block: Buffer,
  run: { readonly position: number; readonly durable: number; readonly count: number },
  seed: number,
): void {
  RUN_MAGIC.copy(block);
  writeUInt64(block, run.position, 8);
  writeUInt64(block, run.durable, 16);
  block.writeUInt32BE(run.count, 24);
  block.writeUInt32BE(0, 28);
  block.writeUInt32BE(crc32(block.subarray(8, RUN_HEADER_SIZE + run.count * PIECE_ENTRY_SIZE), seed), 4);
}

/** Gathers pieces into a run, in a buffer of its own that is used again for the next. */
export class RunBuilder {
  readonly #buffer = Buffer.alloc(BLOCK_SIZE + RUN_DATA_MAX);
  #count = 0;
  #end = BLOCK_SIZE;

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === RUN_PIECES_MAX || this.#end + CHUNK_SIZE > this.#buffer.length;
  }

  /**
   * Adds one piece of `length` bytes; `fill` puts its data in place, or says false when it knows without reading that it is
   * all zeros. Returns its CRC and where its data lies in the run, undefined for zeros.
   */
  add(
    { volume, chunk, granules, length }: Pick<KeptPiece, 'volume' | 'chunk' | 'granules' | 'length'>,
    fill: (into: Buffer) => boolean,
  ): { readonly crc: number; readonly offset: number } | undefined {
    assert(!this.full && length > 0 && length <= CHUNK_SIZE, 'a piece that does not fit its run');
    const data = this.#buffer.subarray(this.#end, this.#end + length);
    const zeros = !fill(data) || data.equals(ZERO_CHUNK.subarray(0, length));
    const crc = zeros ? 0 : crc32(data);
    const at = RUN_HEADER_SIZE + this.#count * PIECE_ENTRY_SIZE;
    this.#buffer.fill(0, at, at + PIECE_ENTRY_SIZE);
    writeUInt64(this.#buffer, chunk, at);
    this.#buffer.writeUInt32BE(crc, at + 8);
    this.#buffer.writeUInt32BE(zeros ? 0 : length, at + 12);
    this.#buffer.writeUInt8(volume, at + 16);
    this.#buffer.writeUInt16BE(granules, at + 18);
    this.#count += 1;
    if (zeros) return undefined;
    const offset = this.#end;
    this.#end += blocks(length);
    this.#buffer.fill(0, offset + length, this.#end);
    return { crc, offset };
  }

  /** The run's bytes, to be written at `position` before anything is added again. The builder is empty afterwards. */
  finish(position: number, durable: number, seed: number): Buffer {
    this.#buffer.fill(0, RUN_HEADER_SIZE + this.#count * PIECE_ENTRY_SIZE, BLOCK_SIZE);
    finishRunHeader(this.#buffer, { position, durable, count: this.#count }, seed);
    const run = this.#buffer.subarray(0, this.#end);
    this.clear();
    return run;
  }

  clear(): void {
    this.#count = 0;
    this.#end = BLOCK_SIZE;
  }
}
