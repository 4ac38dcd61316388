/**
 * The change map: what is to be brought over to the destinations, durably. It may say too much, never too little:
 * - A region is marked on the medium before anything relies on its being so (I2, I6).
 * - It is marked no more only once what was copied of it is durable in a replication file.
 */
import { dirname, join } from 'node:path';
import type { Files, OpenFile } from '../platform/files.ts';
import {
  CHANGE_MAP_FILE,
  decodeMapBlock,
  decodeMapHeader,
  encodeMapBlock,
  encodeMapHeader,
  MAP_BLOCK_BITS,
  MAP_BLOCK_REGIONS,
  MAP_BLOCK_SIZE,
  mapBlocks,
  mapFileSize,
  type MapVolume,
} from '../journal/change-map-format.ts';
import type { VolumeIndex } from '../journal/ids.ts';
import { RegionBits, regionCount, regionSizeOf } from '../journal/region-bits.ts';

/** What of a volume is marked, as it goes from one thread to another. */
export interface MarkedVolume {
  readonly index: VolumeIndex;
  readonly regionSize: number;
  readonly bits: Uint8Array;
}

/** A volume as the map is to have it. `grewFrom`: what it had before a resize that was not finished; of what is new nothing is marked. */
export interface VolumeToMap {
  readonly index: VolumeIndex;
  readonly size: number;
  readonly grewFrom?: number | undefined;
}

interface Mapped extends MapVolume {
  readonly count: number;
  readonly bits: RegionBits;
  /** Marked since the point that is copied from; undefined: there is none. */
  since: RegionBits | undefined;
  /** Of its first block of bits in the file. */
  readonly firstBlock: number;
}

export class ChangeMap {
  readonly #files: Files;
  readonly #path: string;
  #file: OpenFile;
  #volumes: ReadonlyMap<VolumeIndex, Mapped>;
  /** The file's name may not be durable. */
  #unnamed = false;
  /** Blocks that are not on the medium as they are here: number → which. */
  readonly #dirty = new Map<number, Mapped>();
  #marked = 0;
  /** Blocks that could not be read, and so count as marked. */
  readonly unreadable: number;

  /**
   * The group's map as it lies in its folder. Where there is none, and for volumes that it does not have, all is marked.
   * @throws the operating system's errors
   */
  static open(files: Files, folder: string, volumes: readonly VolumeToMap[]): ChangeMap {
    const path = join(folder, CHANGE_MAP_FILE);
    const wanted = volumes.map(({ index, size }) => mapVolume(index, size));
    const grown = volumes.flatMap(({ index, grewFrom }) =>
      grewFrom === undefined ? [] : [mapVolume(index, grewFrom)],
    );
    const before = files.stat(path) === undefined ? undefined : readMap(files, path, wanted, grown);
    if (before?.same !== true) createMap(files, path, wanted, before?.volumes ?? []);
    const mapped = before?.same === true ? before.volumes : readMap(files, path, wanted, []).volumes;
    // Who made it may have died before its name was durable.
    files.syncDirectory(folder);
    return new ChangeMap(files, path, mapped, before?.unreadable ?? 0);
  }

  private constructor(files: Files, path: string, volumes: readonly Mapped[], unreadable: number) {
    this.#files = files;
    this.#path = path;
    this.#file = files.open(path, 'write');
    this.#volumes = new Map(volumes.map((volume) => [volume.index, volume]));
    this.#marked = volumes.reduce((sum, volume) => sum + markedBytes(volume), 0);
    this.unreadable = unreadable;
  }

  /** Bytes of the regions that are marked. */
  get marked(): number {
    return this.#marked;
  }

  markedOf(index: VolumeIndex): number {
    const volume = this.#volumes.get(index);
    return volume === undefined ? 0 : markedBytes(volume);
  }

  /** Marks every region that has a byte of the range. Durable after `sync`. Of a volume that is no longer there nothing is known. */
  mark(index: VolumeIndex, start: number, end: number): void {
    const volume = this.#volumes.get(index);
    if (volume === undefined) return;
    const last = Math.min(Math.ceil(end / volume.regionSize), volume.count);
    for (let region = Math.floor(start / volume.regionSize); region < last; region += 1) {
      this.#set(volume, region, true);
      volume.since?.set(region, true);
    }
  }

  /** What is marked now; what is marked from here on stays so whatever is cleared, until `endPoint`. */
  beginPoint(): readonly MarkedVolume[] {
    for (const volume of this.#volumes.values())
      volume.since = new RegionBits(new Uint8Array(volume.bits.bytes.length), volume.count);
    return this.snapshot();
  }

  endPoint(): void {
    for (const volume of this.#volumes.values()) volume.since = undefined;
  }

  markAll(): void {
    for (const volume of this.#volumes.values()) this.mark(volume.index, 0, volume.size);
  }

  /**
   * The regions that lie in the range whole are marked no more, but for those marked since a point. Returns from where on the range still counts when more is
   * added at its end: the rest is done.
   */
  clear(index: VolumeIndex, start: number, end: number): number {
    const volume = this.#volumes.get(index);
    if (volume === undefined) return start;
    const last = end >= volume.size ? volume.count : Math.floor(end / volume.regionSize);
    for (let region = Math.ceil(start / volume.regionSize); region < last; region += 1)
      if (volume.since?.has(region) !== true) this.#set(volume, region, false);
    return Math.max(start, last * volume.regionSize);
  }

  /** Of what is marked from a byte of a volume on, the first `most` bytes or fewer; undefined: nothing is. */
  next(
    index: VolumeIndex,
    from: number,
    most: number,
  ): { readonly start: number; readonly end: number } | undefined {
    const volume = this.#volumes.get(index);
    if (volume === undefined) return undefined;
    const at = Math.floor(from / volume.regionSize);
    const first = volume.bits.next(at, true);
    if (first === volume.count) return undefined;
    const start = Math.max(from, first * volume.regionSize);
    const last = volume.bits.next(first, false, first + Math.ceil(most / volume.regionSize));
    return { start, end: Math.min(volume.size, last * volume.regionSize) };
  }

  /**
   * The volume has so many bytes from now on; of what is new nothing is marked. Durable on return.
   * @throws the operating system's errors; it is to be called again then
   */
  grow(index: VolumeIndex, size: number): void {
    const before = [...this.#volumes.values()];
    const wanted = before.map((volume) => (volume.index === index ? mapVolume(index, size) : volume));
    writeMap(this.#files, this.#path, wanted, before);
    const file = this.#files.open(`${this.#path}.new`, 'write');
    try {
      this.#files.rename(`${this.#path}.new`, this.#path);
    } catch (error) {
      file.close();
      throw error;
    }
    // What is marked from here on goes into the new file, which counts once its name does.
    this.#unnamed = true;
    this.#file.close();
    this.#file = file;
    const grown = place(wanted).map((volume) => carried(volume, before));
    this.#volumes = new Map(grown.map((volume) => [volume.index, volume]));
    this.#marked = grown.reduce((sum, volume) => sum + markedBytes(volume), 0);
    this.#dirty.clear();
    this.#name();
  }

  /** What was marked and cleared is durable on return. @throws the operating system's errors; it can be called again */
  sync(): void {
    this.#name();
    if (this.#dirty.size === 0) return;
    for (const [number, volume] of this.#dirty) writeBlock(this.#file, volume, number);
    this.#file.syncNow();
    this.#dirty.clear();
  }

  snapshot(): readonly MarkedVolume[] {
    return [...this.#volumes.values()].map(({ index, regionSize, bits }) => ({
      index,
      regionSize,
      bits: Uint8Array.from(bits.bytes),
    }));
  }

  close(): void {
    this.#file.close();
  }

  #name(): void {
    if (this.#unnamed) this.#files.syncDirectory(dirname(this.#path));
    this.#unnamed = false;
  }

  #set(volume: Mapped, region: number, marked: boolean): void {
    if (!volume.bits.set(region, marked)) return;
    this.#marked += marked ? regionBytes(volume, region) : -regionBytes(volume, region);
    this.#dirty.set(volume.firstBlock + Math.floor(region / MAP_BLOCK_REGIONS), volume);
  }
}

function mapVolume(index: VolumeIndex, size: number): MapVolume {
  return { index, size, regionSize: regionSizeOf(size) };
}

/** The last one may be shorter. */
function regionBytes({ size, regionSize }: MapVolume, region: number): number {
  return Math.min(regionSize, size - region * regionSize);
}

function markedBytes(volume: Mapped): number {
  const last = volume.count - 1;
  const short = volume.bits.has(last) ? volume.regionSize - regionBytes(volume, last) : 0;
  return volume.bits.marked() * volume.regionSize - short;
}

/** Their places in the file; nothing is marked. */
function place(volumes: readonly MapVolume[]): Mapped[] {
  let next = 1;
  return volumes.map((volume) => {
    const [count, blocks, firstBlock] = [
      regionCount(volume.size, volume.regionSize),
      mapBlocks(volume),
      next,
    ];
    next += blocks;
    return {
      ...volume,
      count,
      firstBlock,
      since: undefined,
      bits: new RegionBits(new Uint8Array(blocks * MAP_BLOCK_BITS), count),
    };
  });
}

/**
 * Of the volumes that the file has, those of them that are `wanted` as they are there; `same`: all of them, and no others.
 * Memory is taken for what is wanted alone, whatever the file says. `grown`: volumes as they were before a resize are taken
 * too.
 */
function readMap(
  files: Files,
  path: string,
  wanted: readonly MapVolume[],
  grown: readonly MapVolume[],
): { readonly volumes: readonly Mapped[]; readonly same: boolean; readonly unreadable: number } {
  const file = files.open(path, 'read');
  try {
    const header = decodeMapHeader(readBlock(file, 0));
    if (header === undefined) return { volumes: [], same: false, unreadable: 1 };
    let [at, unreadable] = [1, 0];
    const volumes: Mapped[] = [];
    for (const volume of header) {
      if ([...wanted, ...grown].some((other) => isSame(volume, other))) {
        const mapped = { ...(place([volume])[0] as Mapped), firstBlock: at };
        unreadable += readBits(file, mapped);
        volumes.push(mapped);
      }
      at += mapBlocks(volume);
    }
    const same =
      header.length === wanted.length &&
      wanted.every((volume, i) => header[i] !== undefined && isSame(volume, header[i]));
    return { volumes, same: same && file.size() === mapFileSize(wanted), unreadable };
  } finally {
    file.close();
  }
}

/** How many blocks are not whole; they count as marked. */
function readBits(file: OpenFile, volume: Mapped): number {
  let unreadable = 0;
  for (let i = 0; i < mapBlocks(volume); i += 1) {
    const bits = decodeMapBlock(readBlock(file, volume.firstBlock + i), volume.firstBlock + i);
    if (bits !== undefined) volume.bits.bytes.set(bits, i * MAP_BLOCK_BITS);
    else {
      unreadable += 1;
      markBlock(volume, i);
    }
  }
  return unreadable;
}

function markBlock(volume: Mapped, block: number): void {
  const last = Math.min(volume.count, (block + 1) * MAP_BLOCK_REGIONS);
  for (let region = block * MAP_BLOCK_REGIONS; region < last; region += 1) volume.bits.set(region, true);
}

/** Shorter at the end of the file. */
function readBlock(file: OpenFile, number: number): Buffer {
  const bytes = Buffer.alloc(MAP_BLOCK_SIZE);
  return bytes.subarray(0, file.read(bytes, number * MAP_BLOCK_SIZE));
}

function writeBlock(file: OpenFile, volume: Mapped, number: number): void {
  const at = (number - volume.firstBlock) * MAP_BLOCK_BITS;
  const block = encodeMapBlock(volume.bits.bytes.subarray(at, at + MAP_BLOCK_BITS), number);
  file.write(block, number * MAP_BLOCK_SIZE);
}

function isSame(one: MapVolume, other: MapVolume): boolean {
  return one.index === other.index && one.size === other.size && one.regionSize === other.regionSize;
}

function createMap(
  files: Files,
  path: string,
  volumes: readonly MapVolume[],
  before: readonly Mapped[],
): void {
  writeMap(files, path, volumes, before);
  files.rename(`${path}.new`, path);
  files.syncDirectory(dirname(path));
}

/** What is marked of the volume among those `before` it, which may have been shorter; all of it when it is not among them. */
function carried(volume: Mapped, before: readonly Mapped[]): Mapped {
  const known = before.find(({ index }) => index === volume.index);
  if (known === undefined) {
    for (let i = 0; i < mapBlocks(volume); i += 1) markBlock(volume, i);
    return volume;
  }
  // A larger volume may have larger regions, never smaller ones.
  const scale = volume.regionSize / known.regionSize;
  if (scale === 1) volume.bits.bytes.set(known.bits.bytes);
  else
    for (let at = known.bits.next(0, true); at < known.count; at = known.bits.next(at + 1, true))
      volume.bits.set(Math.floor(at / scale), true);
  return volume;
}

/**
 * Beside the map, and durable: all marked, but for volumes that were there before. All of its blocks are written once: none is
 * needed later.
 */
function writeMap(
  files: Files,
  path: string,
  volumes: readonly MapVolume[],
  before: readonly Mapped[],
): void {
  const temporary = `${path}.new`;
  files.remove(temporary);
  const file = files.open(temporary, 'create-new');
  try {
    file.write(encodeMapHeader(volumes), 0);
    for (const volume of place(volumes)) {
      carried(volume, before);
      for (let i = 0; i < mapBlocks(volume); i += 1) writeBlock(file, volume, volume.firstBlock + i);
    }
    file.syncNow();
  } finally {
    file.close();
  }
}
