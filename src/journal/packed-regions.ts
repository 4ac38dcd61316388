/**
 * Which regions of volumes a status file names: of each volume one bit for each region, compressed (zstd, base64). Where that
 * is too much, several regions share a bit: it may name too much, never too little.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { shortList } from '../platform/invalid.ts';
import { VOLUMES_PER_GROUP_MAX } from './ids.ts';
import { RegionBits, regionCount } from './region-bits.ts';
import type { PackedRegions } from './status.ts';

/** Characters of all volumes together. */
const PACKED_MAX = 192 * 1024;
/** Bytes of one volume's bits. */
const BITS_MAX = 2 * 1024 * 1024;
const REGION_MIN = 512;
const REGION_MAX = 2 ** 40;

export const resyncSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  volumes: shortList(
    z.strictObject({
      index: z
        .number()
        .int()
        .min(0)
        .max(VOLUMES_PER_GROUP_MAX - 1),
      regionSize: z.number().int().min(REGION_MIN).max(REGION_MAX),
      bits: z.base64().max(PACKED_MAX),
    }),
    VOLUMES_PER_GROUP_MAX,
  ),
  compare: z.literal(true).optional(),
  anew: z.literal(true).optional(),
});

/** A volume's regions. */
export interface RegionsToPack {
  readonly index: number;
  /** Bytes of a region. */
  readonly regionSize: number;
  readonly bits: Uint8Array;
}

/** What the bits of some regions come to, in as much detail as there is room for. */
export function packRegions(volumes: readonly RegionsToPack[]): PackedRegions[] {
  for (let coarser = volumes; ; coarser = coarser.map(halved)) {
    const packed = coarser.map(({ index, regionSize, bits }) => {
      return { index, regionSize, bits: zstdCompressSync(bits).toString('base64') };
    });
    const isShort = packed.reduce((sum, { bits }) => sum + bits.length, 0) <= PACKED_MAX;
    if (isShort && coarser.every(({ bits }) => bits.length <= BITS_MAX)) return packed;
  }
}

/** Two regions for one. */
function halved({ index, regionSize, bits }: RegionsToPack): RegionsToPack {
  const half = new Uint8Array(Math.ceil(bits.length / 2));
  const count = bits.length * 8;
  const [before, after] = [new RegionBits(bits, count), new RegionBits(half, half.length * 8)];
  for (let at = before.next(0, true); at < count; at = before.next(at + 1, true)) after.set(at >> 1, true);
  return { index, regionSize: regionSize * 2, bits: half };
}

export interface NamedRange {
  readonly index: number;
  /** Bytes. */
  readonly start: number;
  readonly end: number;
}

/**
 * The ranges of a volume of so many bytes that are named. All of it where the bits are not those of such a volume.
 * @throws RangeError more bits than a volume can have
 */
export function unpackRegions(packed: PackedRegions, size: number): NamedRange[] {
  const { index, regionSize } = packed;
  const bytes = zstdDecompressSync(Buffer.from(packed.bits, 'base64'), { maxOutputLength: BITS_MAX + 4096 });
  const count = regionCount(size, regionSize);
  if (bytes.length * 8 < count) return [{ index, start: 0, end: size }];
  const bits = new RegionBits(bytes, count);
  const ranges: NamedRange[] = [];
  for (let from = bits.next(0, true); from < count;) {
    const to = bits.next(from, false);
    ranges.push({ index, start: from * regionSize, end: Math.min(size, to * regionSize) });
    from = bits.next(to, true);
  }
  return ranges;
}
