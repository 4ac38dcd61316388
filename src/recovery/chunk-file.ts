/**
 * The chunks kept for one copy-on-write snapshot, from its making until the next one's. While its snapshot is the newest
 * the file is open and appended to; afterwards it is read only, and its index is in memory only while someone reads.
 */
import { join } from 'node:path';
import { crc32 } from '@node-rs/crc32';
import { assert, errorCode, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import type { CatalogueEntry } from './catalogue.ts';
import { ChunkAppend } from './chunk-append.ts';
import { BLOCK_SIZE, encodeFileHeader, RUN_DATA_MAX, runSeed, type RunBuilder } from './chunk-format.ts';
import {
  ChunkIndex,
  chunkKey,
  chunkOf,
  volumeOf,
  type ChunkKey,
  type IndexedPiece,
  type WantedGranules,
} from './chunk-index.ts';
import { scanChunkFile, type ChunkScan } from './chunk-scan.ts';
import {
  both,
  bytesOf,
  CHUNK_SIZE,
  either,
  granulesIn,
  NO_GRANULES,
  spansOf,
  type Granules,
} from './granules.ts';

/** Bytes: block numbers in the index have 32 bits. */
export const CHUNK_FILE_SIZE_MAX = 0xffff_ffff * BLOCK_SIZE;

const NAME = /^([0-9a-f]{32})\.chunks$/;

const pathOf = (folder: string, id: string): string => join(folder, `${id}.chunks`);

/** Ids of all snapshots that have a chunk file, catalogued or not. */
export function chunkFileIds(files: Files, folder: string): string[] {
  return files.list(folder).flatMap((name) => NAME.exec(name)?.[1] ?? []);
}

export function removeChunkFile(files: Files, folder: string, id: string): void {
  files.remove(pathOf(folder, id));
  files.syncDirectory(folder);
}

/**
 * Whether anything was ever kept in it. Not in one that an interrupted `create` left: chunks come only after the catalogue
 * has the snapshot.
 */
export function holdsChunks(files: Files, folder: string, id: string): boolean {
  return (files.stat(pathOf(folder, id))?.size ?? 0) > BLOCK_SIZE;
}

/**
 * Puts these granules of a chunk into `into`, one behind the other, or says false when it knows without reading that they are
 * all zeros.
 */
export type ReadGranules = (volume: number, chunk: number, granules: Granules, into: Buffer) => boolean;

/** One piece is read at a time. */
const PIECE = Buffer.alloc(CHUNK_SIZE);

export class ChunkFile {
  readonly id: string;
  readonly path: string;
  readonly #files: Files;
  readonly #entry: CatalogueEntry;
  readonly #volumeNumbers: ReadonlyMap<string, number>;
  #kept: number | undefined;
  #index: ChunkIndex | undefined;
  #damage: string | undefined;
  #appending: ChunkAppend | undefined;

  constructor(files: Files, folder: string, entry: CatalogueEntry) {
    this.#files = files;
    this.#entry = entry;
    this.#kept = entry.kept;
    this.id = entry.id;
    this.path = pathOf(folder, entry.id);
    this.#volumeNumbers = new Map(entry.volumes.map((volume, number) => [volume.name, number]));
  }

  /** Makes the file, empty and open for appending. Durable on return; what an earlier attempt left is replaced. */
  static create(files: Files, folder: string, entry: CatalogueEntry): ChunkFile {
    const chunkFile = new ChunkFile(files, folder, entry);
    files.remove(chunkFile.path);
    const file = files.open(chunkFile.path, 'create-new');
    try {
      file.write(encodeFileHeader(entry.id), 0);
      file.syncNow();
      files.syncDirectory(folder);
    } catch (error) {
      file.close();
      throw error;
    }
    chunkFile.#index = new ChunkIndex();
    chunkFile.#begin(file, BLOCK_SIZE);
    return chunkFile;
  }

  /** A volume's number in this file, or undefined when it was not in the group at the snapshot. */
  volumeNumber(name: string): number | undefined {
    return this.#volumeNumbers.get(name);
  }

  volumeName(number: number): string {
    return this.#entry.volumes[number]?.name ?? '';
  }

  /** Bytes of a volume that this file is to keep. */
  volumeSize(number: number): number {
    return this.#entry.volumes[number]?.size ?? 0;
  }

  /** What counts of the file, bytes. Only while it is appended to. */
  get end(): number | undefined {
    return this.#appending?.end;
  }

  /** Why pieces that are not in the index may have been lost; known once the index is loaded. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** Loaded when it is not. */
  get index(): ChunkIndex {
    if (this.#index === undefined) {
      const scan = this.#scan('read', (file) => file.close());
      this.#index = scan.index;
      this.#damage = scan.damage;
    }
    return this.#index;
  }

  /** What is kept here of a volume's chunk. */
  holds(volume: string, chunk: number): Granules {
    const number = this.volumeNumber(volume);
    return number === undefined ? NO_GRANULES : this.index.granules(chunkKey(number, chunk));
  }

  /** All granules that a chunk has: none behind the volume's end. */
  granulesOf(key: ChunkKey): Granules {
    return granulesIn(0, this.#lengthOf(key));
  }

  unloadIndex(): void {
    if (this.#appending === undefined) this.#index = undefined;
  }

  /**
   * Of the newest snapshot: opens the file for appending. A torn end is cut: what it was to protect was never overwritten
   * (I7). What remains is made durable, because a process that died may not have waited for it. When the file is damaged
   * it is not opened, and the reason is in `damage`.
   */
  resume(): void {
    assert(
      this.#appending === undefined && this.#kept === undefined,
      'only the newest chunk file is appended to',
    );
    const scan = this.#scan('write', (file, { end, damage }) => {
      if (damage !== undefined) {
        file.close();
        return;
      }
      if (file.size() > end) file.truncate(end);
      file.syncNow();
      this.#begin(file, end);
    });
    this.#index = scan.index;
    this.#damage = scan.damage;
  }

  /**
   * One that was ended is appended to again, from where it was ended: what lies behind is cut. Its index is loaded, and it
   * is not damaged. Until the catalogue is told of a new end, what is appended does not count.
   */
  reopen(): void {
    const kept = this.#kept;
    assert(this.#appending === undefined && kept !== undefined && kept > 0, 'an ended, sound chunk file');
    const file = this.#files.open(this.path, 'write');
    try {
      file.truncate(kept);
      file.syncNow();
    } catch (error) {
      file.close();
      throw error;
    }
    this.#begin(file, kept);
  }

  /** No longer appended to: of its bytes `kept` count from here on, 0 when the file is damaged. */
  finish(kept: number): void {
    if (kept !== this.end) this.#index = undefined;
    this.#kept = kept;
    this.close();
  }

  close(): void {
    this.#appending?.close();
    this.#appending = undefined;
  }

  /** What of a chunk is kept here, or appended to be. */
  granules(key: ChunkKey): Granules {
    return either(this.index.granules(key), this.#appending?.granules(key) ?? NO_GRANULES);
  }

  /** Of how many pieces that is. */
  pieceCount(key: ChunkKey): number {
    return this.index.pieceCount(key) + (this.#appending?.pieceCount(key) ?? 0);
  }

  /** Whether some of these were appended and are not known to be durable. */
  awaits(wanted: WantedGranules): boolean {
    return this.#appending?.hasSome(wanted) === true;
  }

  /**
   * Appends what is wanted, of which nothing is here yet. It counts, and is durable, only after `settle`; when this throws
   * nothing is kept that was appended since the last. `builder` is empty before and after.
   * @throws the operating system's errors, OperatorError `SNAPSHOT_LIMIT`
   */
  append(wanted: WantedGranules, how: { readonly read: ReadGranules; readonly builder: RunBuilder }): void {
    const appending = this.#appending;
    assert(appending !== undefined, 'appended to while open');
    try {
      this.#append(appending, wanted, how);
    } catch (error) {
      how.builder.clear();
      appending.cut();
      throw error;
    }
  }

  /** What was appended is on its way to the medium; what was so before is durable on return. @throws as `settle` */
  hasten(): void {
    this.#appending?.hasten();
  }

  /** What was appended is durable on return (I7). When it throws none of it is kept. @throws the operating system's errors */
  settle(): void {
    this.#appending?.settle();
  }

  /** Gives the room of these chunks back, where the file system can. None of them may be asked for again. */
  release(keys: Iterable<ChunkKey>): void {
    const file = this.#files.open(this.path, 'write');
    try {
      for (const key of keys) {
        for (const piece of this.index.pieces(key)) {
          const length = Math.ceil(bytesOf(piece.granules, this.#lengthOf(key)) / BLOCK_SIZE) * BLOCK_SIZE;
          if (piece.kind === 'data' && length > 0 && !file.punchHole(piece.position, length)) return;
        }
      }
    } finally {
      file.close();
    }
  }

  /**
   * Puts what the index has of `wanted` into a chunk's bytes, each granule in its place.
   * @throws OperatorError `SNAPSHOT_DAMAGED` by way of `damaged`
   */
  readChunk(key: ChunkKey, wanted: Granules, into: Buffer, damaged: (why: string) => Error): void {
    const length = this.#lengthOf(key);
    for (const piece of this.index.pieces(key)) {
      if (both(piece.granules, wanted) === NO_GRANULES) continue;
      const bytes = PIECE.subarray(0, bytesOf(piece.granules, length));
      if (piece.kind === 'zeros') bytes.fill(0);
      else this.#readPiece(piece, bytes, damaged);
      for (const { start, end } of spansOf(both(piece.granules, wanted))) {
        const before = bytesOf(both(piece.granules, granulesIn(0, start)), length);
        bytes.copy(into, start, before, before + end - start);
      }
    }
  }

  #readPiece(
    { position, crc }: { readonly position: number; readonly crc: number },
    into: Buffer,
    damaged: (why: string) => Error,
  ): void {
    const file = this.#appending?.file ?? this.#open('read');
    if (file === undefined) throw damaged(`${this.path} is gone`);
    try {
      const count = file.read(into, position);
      if (count === into.length && crc32(into) === crc) return;
      throw damaged(`what is kept at ${position} of ${this.path} fails its check`);
    } finally {
      if (file !== this.#appending?.file) file.close();
    }
  }

  /** Bytes of a chunk: the last one of a volume is as short as the volume makes it. */
  #lengthOf(key: ChunkKey): number {
    return Math.min(CHUNK_SIZE, this.volumeSize(volumeOf(key)) - chunkOf(key) * CHUNK_SIZE);
  }

  #begin(file: OpenFile, end: number): void {
    const at = { end, seed: runSeed(this.id) };
    this.#appending = new ChunkAppend(file, at, (key, piece) => this.index.add(key, piece));
  }

  #append(
    appending: ChunkAppend,
    wanted: WantedGranules,
    { read, builder }: { readonly read: ReadGranules; readonly builder: RunBuilder },
  ): void {
    const flush = (): void => {
      if (appending.writtenEnd + BLOCK_SIZE + RUN_DATA_MAX > CHUNK_FILE_SIZE_MAX)
        throw tooLarge(this.path, this.#entry.name);
      appending.write(builder);
    };
    for (const [key, granules] of wanted) {
      const [volume, chunk, length] = [volumeOf(key), chunkOf(key), bytesOf(granules, this.#lengthOf(key))];
      const added = builder.add({ volume, chunk, granules, length }, (into) =>
        read(volume, chunk, granules, into),
      );
      const piece: IndexedPiece =
        added === undefined
          ? { kind: 'zeros', granules }
          : { kind: 'data', granules, position: appending.writtenEnd + added.offset, crc: added.crc };
      appending.add(key, piece);
      if (builder.full) flush();
    }
    if (builder.count > 0) flush();
  }

  #scan(mode: 'read' | 'write', then: (file: OpenFile, scan: ChunkScan) => void): ChunkScan {
    if (this.#kept === 0) {
      return {
        index: new ChunkIndex(),
        end: 0,
        damage: `${this.path} was found damaged and nothing was kept since`,
      };
    }
    const file = this.#open(mode);
    if (file === undefined) return { index: new ChunkIndex(), end: 0, damage: `${this.path} is gone` };
    try {
      const scan = scanChunkFile(file, this.id, this.#kept);
      const damage = scan.damage === undefined ? undefined : `${this.path}: ${scan.damage}`;
      then(file, scan);
      return { ...scan, damage };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #open(mode: 'read' | 'write'): OpenFile | undefined {
    try {
      return this.#files.open(this.path, mode);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Nothing is applied until then, so that no marker can make a new snapshot, which would begin a new file. */
function tooLarge(path: string, snapshot: string): OperatorError {
  return new OperatorError(
    'SNAPSHOT_LIMIT',
    `${path}, which keeps what was overwritten since snapshot ${snapshot}, has reached ${CHUNK_FILE_SIZE_MAX} bytes`,
    {
      remedy: `delete that snapshot (blockferry snapshot delete GROUP ${snapshot}): what older ones need of it stays, and work goes on by itself`,
      retryable: true,
    },
  );
}
