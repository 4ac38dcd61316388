/**
 * Brings over what the volumes hold when replication begins, through the journal. A step reads what a volume holds now,
 * undestaged writes included, and appends it in the same breath: nothing a host writes can come in between, so the copy
 * is in step with live writes whatever their order.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { RecordFlag } from '../journal/record.ts';
import type { CapturedVolume } from './captured-volume.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX } from '../nbd/front-end.ts';
import type { JournalWriter } from './journal-writer.ts';

/** Bytes of data read in one step, between which hosts are served. */
const STEP_BYTES = 1024 * 1024;
/** Extents that one step looks at. */
const STEP_EXTENTS = 64;
/** Bytes that one look at a volume's extents covers. */
const LOOK_BYTES = 1024 * 1024 * 1024;
/** Milliseconds between looks at whether a pause is over. */
const PAUSE = 100;
/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;

export interface CopyProgress {
  readonly done: number;
  readonly total: number;
}

export interface InitialCopyOptions {
  readonly clock: Clock;
  readonly volumes: readonly CapturedVolume[];
  readonly writer: JournalWriter;
  readonly paused: () => boolean;
  readonly onDone: () => void;
  /** A step failed and is tried again until it succeeds; undefined when it has. */
  readonly onTrouble: (error: unknown) => void;
}

export class InitialCopy {
  readonly #options: InitialCopyOptions;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + WRITE_LENGTH_MAX);
  readonly #offsets = new Float64Array(1);
  readonly #lengths = new Uint32Array(1);
  #volume = 0;
  #offset = 0;
  #timer: Timer | undefined;
  #stopped = false;
  #troubled = false;

  constructor(options: InitialCopyOptions) {
    this.#options = options;
  }

  start(): void {
    this.#later(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Bytes of all volumes. */
  progress(): CopyProgress {
    const sizes = this.#options.volumes.map((volume) => volume.size);
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
    return { done: sum(sizes.slice(0, this.#volume)) + this.#offset, total: sum(sizes) };
  }

  #later(delay: number): void {
    if (!this.#stopped) this.#timer = this.#options.clock.after(delay, () => this.#step());
  }

  #step(): void {
    if (this.#options.paused()) {
      this.#later(PAUSE);
      return;
    }
    try {
      let data = 0;
      for (let looked = 0; looked < STEP_EXTENTS && data < STEP_BYTES; looked += 1) {
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
    const [extent] = volume.extents(this.#offset, Math.min(LOOK_BYTES, volume.size - this.#offset), 1);
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
}
