/**
 * Puts what a volume holds now, undestaged writes included, into the journal: read and appended in the same breath, so that
 * nothing a host writes can come in between. Where it would have to wait for the medium it waits first, and then does both.
 */
import { RecordFlag } from '../journal/record.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX, type Extent } from '../nbd/front-end.ts';
import type { CapturedVolume } from './captured-volume.ts';
import { UnhurriedReads } from './unhurried-reads.ts';

/** Bytes. */
export interface Copied {
  readonly length: number;
  /** That were read; of a hole none. */
  readonly data: number;
}

export class VolumeCopier {
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + WRITE_LENGTH_MAX);
  readonly #offsets = new Float64Array(1);
  readonly #lengths = new Uint32Array(1);
  readonly #reads = new UnhurriedReads();
  /** Where there was data when it was looked last. A hole that it became since is brought over as the zeros that are read of it. */
  #data: { readonly volume: CapturedVolume; readonly start: number; readonly end: number } | undefined;

  /**
   * One record's worth of the range: a hole of it, or data. A promise: nothing yet, as it is not in memory, and the same is to be
   * asked for when that resolves. @throws HostError
   */
  copy(volume: CapturedVolume, offset: number, most: number): Copied | Promise<void> {
    const extent = this.#look(volume, offset, most);
    if (extent.kind !== 'data') {
      // What an older copy at the destination may hold there must go.
      volume.appendZero(offset, extent.length, RecordFlag.fromVolume);
      return { length: extent.length, data: 0 };
    }
    const length = Math.min(extent.length, WRITE_LENGTH_MAX);
    const buffer = this.#buffer;
    const known = offset + extent.length;
    this.#reads.expect(volume, offset, { known, end: offset + most });
    const wait = this.#reads.fill(volume, offset, buffer.subarray(WRITE_HEADROOM, WRITE_HEADROOM + length));
    if (wait !== undefined) return wait;
    this.#offsets[0] = offset;
    this.#lengths[0] = length;
    const run = { buffer, start: 0, count: 1, offsets: this.#offsets, lengths: this.#lengths };
    volume.append(run, RecordFlag.fromVolume);
    return { length, data: length };
  }

  #look(volume: CapturedVolume, offset: number, most: number): Extent {
    const known = this.#data;
    if (known?.volume === volume && offset >= known.start && offset < known.end)
      return { kind: 'data', length: Math.min(most, known.end - offset) };
    const [extent = { kind: 'data', length: most }] = volume.extents(offset, most, 1);
    if (extent.kind === 'data') this.#data = { volume, start: offset, end: offset + extent.length };
    return extent;
  }
}
