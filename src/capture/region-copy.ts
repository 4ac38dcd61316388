/**
 * Brings over what the change map has marked, through the journal: all that the volumes hold when replication begins, or
 * what changed while nothing was shipped. What a volume holds goes into the journal between live writes, so the copy is in
 * step with them whatever their order. It goes through each volume from its start to its end.
 */
import { RegionBits, regionCount } from '../journal/region-bits.ts';
import type { CapturedVolume } from './captured-volume.ts';
import type { MarkedVolume } from './change-map.ts';
import { CopyLoop, type CopyLoopOptions, type Step } from './copy-loop.ts';
import { VolumeCopier } from './volume-copier.ts';

/** Bytes that one look at a volume's extents covers; no region is larger. */
const LOOK_BYTES = 1024 * 1024 * 1024;

export interface RegionCopyOptions extends Omit<CopyLoopOptions, 'next'> {
  readonly volumes: readonly CapturedVolume[];
  readonly marked: readonly MarkedVolume[];
}

export class RegionCopy {
  readonly #options: RegionCopyOptions;
  readonly #loop: CopyLoop;
  readonly #copier = new VolumeCopier();
  #volume = 0;
  #offset = 0;

  constructor(options: RegionCopyOptions) {
    this.#options = options;
    this.#loop = new CopyLoop({ ...options, next: () => this.#next() });
  }

  start(): void {
    this.#loop.wake();
  }

  stop(): void {
    this.#loop.stop();
  }

  #next(): Step {
    const volume = this.#options.volumes[this.#volume];
    if (volume === undefined) return 'done';
    const end = this.#nextMarked(volume);
    if (this.#offset === volume.size) {
      this.#volume += 1;
      this.#offset = 0;
      return 0;
    }
    const copied = this.#copier.copy(volume, this.#offset, end - this.#offset);
    if (copied instanceof Promise) return copied;
    this.#offset += copied.length;
    return copied.data;
  }

  /** Moves to the first marked byte from the offset on; returns where what is marked there ends. */
  #nextMarked({ volumeIndex, size }: CapturedVolume): number {
    const marked = this.#options.marked.find(({ index }) => index === volumeIndex);
    if (marked === undefined) return (this.#offset = size);
    const { regionSize } = marked;
    const bits = new RegionBits(marked.bits, regionCount(size, regionSize));
    const at = Math.floor(this.#offset / regionSize);
    const first = bits.next(at, true);
    if (first !== at) this.#offset = Math.min(size, first * regionSize);
    return Math.min(size, bits.next(first, false, first + LOOK_BYTES / regionSize) * regionSize);
  }
}
