/** Rebuilds a chunk file's index from the file, and tells damage from the torn end of an interrupted append. */
import { crc32 } from '@node-rs/crc32';
import type { OpenFile } from '../platform/files.ts';
import { BLOCK_SIZE, decodeRunHeader, encodeFileHeader, runSeed, type RunHeader } from './chunk-format.ts';
import { ChunkIndex, chunkKey } from './chunk-index.ts';
import { CHUNK_SIZE } from './granules.ts';

export interface ChunkScan {
  readonly index: ChunkIndex;
  /** Where the next run belongs, bytes. */
  readonly end: number;
  /** What is wrong below what was durable, in words: chunks that the index lacks may have been lost there. */
  readonly damage: string | undefined;
}

/** Bytes read at a time in search of a run behind a broken one. */
const SEARCH_SIZE = 1024 * 1024;

/**
 * `kept`: how many bytes of the file count, when that is known; otherwise the file says so itself. Reads the headers, and
 * the data only of the runs that nothing proves durable. @throws the operating system's errors
 */
export function scanChunkFile(file: OpenFile, snapshotId: string, kept: number | undefined): ChunkScan {
  const index = new ChunkIndex();
  const block = Buffer.alloc(BLOCK_SIZE);
  file.read(block, 0);
  if (!block.equals(encodeFileHeader(snapshotId)))
    return { index, end: 0, damage: 'its header is not intact' };
  const seed = runSeed(snapshotId);
  let durable = kept ?? 0;
  let position = BLOCK_SIZE;
  let unproved: RunHeader[] = [];
  while (kept === undefined || position < kept) {
    const run = readRunHeader(file, position, seed, block);
    if (run === undefined) break;
    durable = Math.max(durable, run.durable);
    unproved = addProved(index, unproved, durable);
    if (run.pieces.length === 0) break;
    unproved.push(run);
    position = run.end;
  }
  if (kept === undefined) durable = Math.max(durable, durableBehind(file, position, seed));
  unproved = addProved(index, unproved, durable);
  if (durable > position) return { index, end: position, damage: `the run at ${position} is not intact` };
  for (const run of unproved) {
    if (!dataIsIntact(file, run)) return { index, end: run.position, damage: undefined };
    addRun(index, run);
  }
  return { index, end: position, damage: undefined };
}

function addProved(index: ChunkIndex, runs: readonly RunHeader[], durable: number): RunHeader[] {
  for (const run of runs) if (run.end <= durable) addRun(index, run);
  return runs.filter((run) => run.end > durable);
}

function addRun(index: ChunkIndex, run: RunHeader): void {
  for (const { volume, chunk, granules, crc, length, position } of run.pieces) {
    const piece = length === 0 ? { kind: 'zeros' as const } : { kind: 'data' as const, position, crc };
    index.add(chunkKey(volume, chunk), { granules, ...piece });
  }
}

function readRunHeader(file: OpenFile, position: number, seed: number, block: Buffer): RunHeader | undefined {
  const count = file.read(block, position);
  return decodeRunHeader(block.subarray(0, count), position, seed);
}

/**
 * Behind the place where the runs end: more than `position` as soon as a run is found there that was written when
 * something from `position` on was durable already, which is then damaged and not torn. Otherwise 0.
 */
function durableBehind(file: OpenFile, position: number, seed: number): number {
  const piece = Buffer.alloc(SEARCH_SIZE);
  for (let at = position; ; at += SEARCH_SIZE) {
    const count = file.read(piece, at);
    for (let offset = 0; offset + BLOCK_SIZE <= count; offset += BLOCK_SIZE) {
      const run = decodeRunHeader(piece.subarray(offset, offset + BLOCK_SIZE), at + offset, seed);
      if (run !== undefined && run.durable > position) return run.durable;
    }
    if (count < SEARCH_SIZE) return 0;
  }
}

function dataIsIntact(file: OpenFile, run: RunHeader): boolean {
  const data = Buffer.alloc(CHUNK_SIZE);
  return run.pieces.every(({ crc, length, position }) => {
    const part = data.subarray(0, length);
    return length === 0 || (file.read(part, position) === length && crc32(part) === crc);
  });
}
