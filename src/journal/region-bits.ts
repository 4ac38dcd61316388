/** One bit for each region of a volume. Pure. */

/** Bytes of a region of a volume up to 1 TiB. */
const REGION_SIZE_MIN = 64 * 1024;
/** Regions of one volume at most; a larger volume has larger regions. */
const REGIONS_MAX = 2 ** 24;

/** Bytes of a region of a volume of so many bytes, a power of two. */
export function regionSizeOf(volumeSize: number): number {
  let size = REGION_SIZE_MIN;
  while (volumeSize / size > REGIONS_MAX) size *= 2;
  return size;
}

export function regionCount(volumeSize: number, regionSize: number): number {
  return Math.ceil(volumeSize / regionSize);
}

export class RegionBits {
  /** The lowest bit of the first byte is region 0; what lies behind the last region is 0. */
  readonly bytes: Uint8Array;
  readonly #count: number;

  /** `bytes` may be longer than it takes. */
  constructor(bytes: Uint8Array, count: number) {
    this.bytes = bytes;
    this.#count = count;
  }

  has(region: number): boolean {
    return ((this.bytes[region >>> 3] ?? 0) & (1 << (region & 7))) !== 0;
  }

  /** Whether that changed anything. */
  set(region: number, marked: boolean): boolean {
    if (this.has(region) === marked) return false;
    const at = region >>> 3;
    this.bytes[at] = (this.bytes[at] ?? 0) ^ (1 << (region & 7));
    return true;
  }

  /** The first region from `from` on, and before `to`, that is marked or not, as `marked` says; `to` when there is none. */
  next(from: number, marked: boolean, to = this.#count): number {
    const [dull, end] = [marked ? 0 : 0xff, Math.min(to, this.#count)];
    for (let region = from; region < end;) {
      if ((region & 7) === 0 && this.bytes[region >>> 3] === dull) region += 8;
      else if (this.has(region) === marked) return region;
      else region += 1;
    }
    return end;
  }

  marked(): number {
    let marked = 0;
    for (let from = this.next(0, true); from < this.#count;) {
      const to = this.next(from, false);
      marked += to - from;
      from = this.next(to, true);
    }
    return marked;
  }
}
