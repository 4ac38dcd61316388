/**
 * The change map's file, `change-map` in a source group's folder: what the destinations do not have and no replication
 * file will bring them, one bit a region. Blocks of 4096 bytes, each with the CRC-32 of the rest in its last four:
 *
 *     header     0   8  magic "BFMAP\r\n\x1a"
 *                8   2  version
 *               10   2  volumes
 *               16      24 bytes a volume: index (4), zeros (4), bytes of the volume (8), bytes of a region (8)
 *     for each volume, in the header's order, as many blocks as its regions take:
 *                0 4092  bits, the lowest of the first byte first
 *
 * The CRC of a block of bits starts from its place in the file, so that one that strayed is not taken for another.
 * It has all of its blocks from the start and is overwritten where it lies (I8): a block that a crash tore fails its CRC,
 * and then all of its regions count as marked (I6). The header is never written again: other volumes get a new file.
 */
import { crc32 } from '@node-rs/crc32';
import type { VolumeIndex } from './ids.ts';
import { VOLUMES_PER_GROUP_MAX } from './ids.ts';
import { readUInt64, writeUInt64 } from './record.ts';
import { regionCount } from './region-bits.ts';

export const CHANGE_MAP_FILE = 'change-map';
export const MAP_BLOCK_SIZE = 4096;
/** Bytes of bits in a block. */
export const MAP_BLOCK_BITS = MAP_BLOCK_SIZE - 4;
/** Regions of a block. */
export const MAP_BLOCK_REGIONS = 8 * MAP_BLOCK_BITS;

const MAGIC = Buffer.from('BFMAP\r\n\x1a', 'latin1');
const VERSION = 1;
const VOLUMES_AT = 16;
const VOLUME_BYTES = 24;

export interface MapVolume {
  readonly index: VolumeIndex;
  /** Bytes. */
  readonly size: number;
  readonly regionSize: number;
}

export function mapBlocks({ size, regionSize }: MapVolume): number {
  return Math.ceil(regionCount(size, regionSize) / MAP_BLOCK_REGIONS);
}

/** Bytes. */
export function mapFileSize(volumes: readonly MapVolume[]): number {
  return MAP_BLOCK_SIZE * volumes.reduce((sum, volume) => sum + mapBlocks(volume), 1);
}

export function encodeMapHeader(volumes: readonly MapVolume[]): Buffer {
  const bytes = Buffer.alloc(MAP_BLOCK_SIZE);
  MAGIC.copy(bytes);
  bytes.writeUInt16BE(VERSION, 8);
  bytes.writeUInt16BE(volumes.length, 10);
  for (const [i, { index, size, regionSize }] of volumes.entries()) {
    const at = VOLUMES_AT + i * VOLUME_BYTES;
    bytes.writeUInt32BE(index, at);
    writeUInt64(bytes, size, at + 8);
    writeUInt64(bytes, regionSize, at + 16);
  }
  bytes.writeUInt32BE(crc32(bytes.subarray(0, MAP_BLOCK_BITS)), MAP_BLOCK_BITS);
  return bytes;
}

/** Undefined when these are not the bytes of a header. */
export function decodeMapHeader(bytes: Buffer): readonly MapVolume[] | undefined {
  if (bytes.length !== MAP_BLOCK_SIZE || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (crc32(bytes.subarray(0, MAP_BLOCK_BITS)) !== bytes.readUInt32BE(MAP_BLOCK_BITS)) return undefined;
  const count = bytes.readUInt16BE(10);
  if (bytes.readUInt16BE(8) !== VERSION || count > VOLUMES_PER_GROUP_MAX) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const at = VOLUMES_AT + i * VOLUME_BYTES;
    return {
      index: bytes.readUInt32BE(at) as VolumeIndex,
      size: readUInt64(bytes, at + 8),
      regionSize: readUInt64(bytes, at + 16),
    };
  });
}

/** `number`: of the block in the file, the header's being 0. */
export function encodeMapBlock(bits: Uint8Array, number: number): Buffer {
  const bytes = Buffer.alloc(MAP_BLOCK_SIZE);
  bytes.set(bits);
  bytes.writeUInt32BE(checksum(bytes, number), MAP_BLOCK_BITS);
  return bytes;
}

/** The bits of a block; undefined when it is not whole. */
export function decodeMapBlock(bytes: Buffer, number: number): Buffer | undefined {
  if (bytes.length !== MAP_BLOCK_SIZE) return undefined;
  if (checksum(bytes, number) !== bytes.readUInt32BE(MAP_BLOCK_BITS)) return undefined;
  return bytes.subarray(0, MAP_BLOCK_BITS);
}

function checksum(bytes: Buffer, number: number): number {
  return crc32(bytes.subarray(0, MAP_BLOCK_BITS), crc32(String(number)));
}
