/**
 * Puts what a volume holds now, undestaged writes included, into the journal: read and appended in the same breath, so that
 * nothing a host writes can come in between.
 */
import { RecordFlag } from '../journal/record.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX } from '../nbd/front-end.ts';
import type { CapturedVolume } from './captured-volume.ts';

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

  /** One record's worth of the range: a hole of it, or data. @throws HostError */
  copy(volume: CapturedVolume, offset: number, most: number): Copied {
    const [extent] = volume.extents(offset, most, 1);
    if (extent !== undefined && extent.kind !== 'data') {
      // What an older copy at the destination may hold there must go.
      volume.appendZero(offset, extent.length, RecordFlag.fromVolume);
      return { length: extent.length, data: 0 };
    }
    const length = Math.min(extent?.length ?? most, WRITE_LENGTH_MAX);
    const buffer = this.#buffer;
    volume.read(offset, buffer.subarray(WRITE_HEADROOM, WRITE_HEADROOM + length));
    this.#offsets[0] = offset;
    this.#lengths[0] = length;
    const run = { buffer, start: 0, count: 1, offsets: this.#offsets, lengths: this.#lengths };
    volume.append(run, RecordFlag.fromVolume);
    return { length, data: length };
  }
}
