/**
 * Brings over what the change map has marked, through the journal: all that the volumes hold when replication begins, or
 * what changed while nothing was shipped. A step reads what a volume holds now, undestaged writes included, and appends it
 * in the same breath: nothing a host writes can come in between, so the copy is in step with live writes whatever their
 * order. It goes through each volume from its start to its end.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { RecordFlag } from '../journal/record.ts';
import { RegionBits, regionCount } from '../journal/region-bits.ts';
import type { CapturedVolume } from './captured-volume.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX } from '../nbd/front-end.ts';
import type { MarkedVolume } from './change-map.ts';
import type { JournalWriter } from './journal-writer.ts';

/** Bytes of data read in one step, between which hosts are served. */
const STEP_BYTES = 1024 * 1024;
/** Extents that one step looks at. */
const STEP_EXTENTS = 64;
/** Bytes that one look at a volume's extents covers; no region is larger. */
const LOOK_BYTES = 1024 * 1024 * 1024;
/** Milliseconds between looks at whether a pause is over. */
const PAUSE = 100;
/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;

export interface RegionCopyOptions {
  readonly clock: Clock;
  readonly volumes: readonly CapturedVolume[];
  readonly marked: readonly MarkedVolume[];
  readonly writer: JournalWriter;
  readonly paused: () => boolean;
  readonly onDone: () => void;
  /** A step failed and is tried again until it succeeds; undefined when it has. */
  readonly onTrouble: (error: unknown) => void;
}

export class RegionCopy {
  readonly #options: RegionCopyOptions;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + WRITE_LENGTH_MAX);
  readonly #offsets = new Float64Array(1);
  readonly #lengths = new Uint32Array(1);
  #volume = 0;
  #offset = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #troubled = false;

  constructor(options: RegionCopyOptions) {
    this.#options = options;
  }

  start(): void {
    this.#later(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(delay: number): void {
    if (!this.#stopped) this.#timer = this.#options.clock.after(delay, () => this.#step());
  }

  #step(): void {
    try {
      let data = 0;
      for (let looked = 0; looked < STEP_EXTENTS && data < STEP_BYTES; looked += 1) {
        if (this.#options.paused()) {
          this.#later(PAUSE);
          return;
        }
        const room = this.#options.writer.room();
        if (room !== undefined) {
          void room.then(() => this.#later(0));
          return;
        }
        const volume = this.#options.volumes[this.#volume];
        if (volume === undefined) {
          this.#options.onDone();
          return;
        }
        data += this.#copyNext(volume);
        if (this.#troubled) this.#options.onTrouble(undefined);
        this.#troubled = false;
      }
      this.#later(0);
    } catch (error) {
      // A journal that failed says so itself, and nothing can be appended to it.
      if (this.#options.writer.failure !== undefined) return;
      this.#troubled = true;
      this.#options.onTrouble(error);
      this.#later(RETRY);
    }
  }

  /** One record's worth; returns the bytes of data in it. */
  #copyNext(volume: CapturedVolume): number {
    const end = this.#nextMarked(volume);
    const [extent] = volume.extents(this.#offset, end - this.#offset, 1);
    if (extent === undefined) {
      this.#volume += 1;
      this.#offset = 0;
      return 0;
    }
    if (extent.kind !== 'data') {
      // What an older copy at the destination may hold there must go.
      volume.appendZero(this.#offset, extent.length, RecordFlag.fromVolume);
      this.#offset += extent.length;
      return 0;
    }
    const length = Math.min(extent.length, WRITE_LENGTH_MAX);
    volume.read(this.#offset, this.#buffer.subarray(WRITE_HEADROOM, WRITE_HEADROOM + length));
    this.#offsets[0] = this.#offset;
    this.#lengths[0] = length;
    const run = { buffer: this.#buffer, start: 0, count: 1, offsets: this.#offsets, lengths: this.#lengths };
    volume.append(run, RecordFlag.fromVolume);
    this.#offset += length;
    return length;
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
