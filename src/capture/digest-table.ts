/**
 * What the pieces of a source's volumes are known to hold. It may know too little, never what is no longer so:
 * - What was forgotten is so on the medium after `sync`, also where an earlier process had it so in the system's memory alone:
 *   a block is written again the first time that it is looked at (I6).
 * - What fails its checksum is not known.
 */
import { join } from 'node:path';
import {
  closeTableBlock,
  DIGEST_TABLE_FILE,
  encodeTableHeader,
  isWholeTableBlock,
  setTableEntry,
  TABLE_BLOCK_ENTRIES,
  TABLE_BLOCK_SIZE,
  tableBlocks,
  tableEntry,
  type KnownDigest,
} from '../journal/digest-table-format.ts';
import type { AttachedVolume, VolumeIndex } from '../journal/ids.ts';
import { RegionBits } from '../journal/region-bits.ts';
import type { Files, OpenFile } from '../platform/files.ts';

/** Blocks in memory at most, each of them of 127 MiB of a volume. */
const CACHED_MAX = 256;

interface Block {
  readonly bytes: Buffer;
  isDirty: boolean;
  /** Nothing was ever written there. */
  isNew: boolean;
}

export class DigestTable {
  readonly #files: Files;
  readonly #folder: string;
  readonly #path: string;
  readonly #header: Buffer;
  /** Of each volume its first block in the file. */
  readonly #places = new Map<VolumeIndex, number>();
  /** Blocks that this process has written. */
  readonly #written: RegionBits;
  readonly #cached = new Map<number, Block>();
  /** Called before anything that was set or forgotten may reach the medium. */
  readonly #beforeWriting: () => void;
  #file: OpenFile | undefined;
  #isSynced = true;

  constructor(
    files: Files,
    options: {
      readonly folder: string;
      readonly volumes: readonly AttachedVolume[];
      readonly beforeWriting: () => void;
    },
  ) {
    this.#files = files;
    this.#folder = options.folder;
    this.#path = join(options.folder, DIGEST_TABLE_FILE);
    this.#header = encodeTableHeader(options.volumes);
    this.#beforeWriting = options.beforeWriting;
    let next = 1;
    for (const { index, size } of options.volumes) {
      this.#places.set(index, next);
      next += tableBlocks(size);
    }
    this.#written = new RegionBits(new Uint8Array(Math.ceil(next / 8)), next);
  }

  /** What there is of these volumes. @throws the operating system's errors */
  open(): void {
    this.close();
    if (this.#files.stat(this.#path) !== undefined) {
      this.#file = this.#files.open(this.#path, 'write');
      const header = Buffer.alloc(TABLE_BLOCK_SIZE);
      if (this.#file.read(header, 0) !== TABLE_BLOCK_SIZE || !header.equals(this.#header)) this.drop();
    }
    // Who removed one may have died before that was durable.
    this.#files.syncDirectory(this.#folder);
  }

  get exists(): boolean {
    return this.#file !== undefined;
  }

  /** Nothing is known in it. Durable on return. @throws the operating system's errors */
  create(): void {
    const temporary = `${this.#path}.new`;
    this.#files.remove(temporary);
    const file = this.#files.open(temporary, 'create-new');
    try {
      file.write(this.#header, 0);
      file.syncNow();
    } finally {
      file.close();
    }
    this.#files.rename(temporary, this.#path);
    this.#files.syncDirectory(this.#folder);
    this.#file = this.#files.open(this.#path, 'write');
  }

  /** @throws the operating system's errors */
  get(volume: VolumeIndex, piece: number): KnownDigest | undefined {
    const block = this.#block(volume, piece);
    return block === undefined ? undefined : tableEntry(block.bytes, piece % TABLE_BLOCK_ENTRIES);
  }

  /** Durable after `sync`. @throws the operating system's errors */
  set(volume: VolumeIndex, piece: number, known: KnownDigest | undefined): void {
    const block = this.#block(volume, piece);
    if (block === undefined) return;
    setTableEntry(block.bytes, piece % TABLE_BLOCK_ENTRIES, known);
    block.isDirty = true;
    block.isNew = false;
  }

  /** @throws the operating system's errors; then nobody knows what is on the medium: see `drop` */
  sync(): void {
    this.#flush();
    if (this.#isSynced) return;
    this.#file?.syncNow();
    this.#isSynced = true;
  }

  /** Nothing is known any more. Durable on return. @throws the operating system's errors */
  drop(): void {
    this.close();
    this.#files.remove(this.#path);
    this.#files.syncDirectory(this.#folder);
  }

  close(): void {
    this.#cached.clear();
    this.#file?.close();
    this.#file = undefined;
    this.#isSynced = true;
  }

  #block(volume: VolumeIndex, piece: number): Block | undefined {
    const place = this.#places.get(volume);
    if (this.#file === undefined || place === undefined) return undefined;
    const number = place + Math.floor(piece / TABLE_BLOCK_ENTRIES);
    let block = this.#cached.get(number);
    if (block === undefined) {
      if (this.#cached.size >= CACHED_MAX) this.#flush();
      block = this.#read(this.#file, number);
      this.#cached.set(number, block);
    }
    return block;
  }

  #read(file: OpenFile, number: number): Block {
    const bytes = Buffer.alloc(TABLE_BLOCK_SIZE);
    const count = file.read(bytes, number * TABLE_BLOCK_SIZE);
    const isNew = bytes.every((byte) => byte === 0);
    if (!isNew && (count < TABLE_BLOCK_SIZE || !isWholeTableBlock(bytes, number))) bytes.fill(0);
    return { bytes, isNew, isDirty: !isNew && !this.#written.has(number) };
  }

  #flush(): void {
    const dirty = [...this.#cached].filter(([, { isDirty, isNew }]) => isDirty && !isNew);
    if (dirty.length > 0) this.#beforeWriting();
    for (const [number, { bytes }] of dirty) {
      closeTableBlock(bytes, number);
      this.#isSynced = false;
      this.#file?.write(bytes, number * TABLE_BLOCK_SIZE);
      this.#written.set(number, true);
    }
    this.#cached.clear();
  }
}
