/**
 * Reads what the volumes hold, a range at a time, and says in the journal what it was: the destinations compare at that very
 * record. A step reads and appends in the same breath, as the initial copy does, so that nothing a host writes can come in
 * between. What a destination found to differ is copied over again, in the same way.
 *
 * I/O budget: a quarter of the host thread's time at most, and in a scheduled pass no more than the schedule needs.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { LSN_NONE, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind } from '../journal/record.ts';
import { encodeVerify, VERIFY_DATA_MAX, VERIFY_ZERO_MAX, verifyDigest } from '../journal/verify.ts';
import type { CapturedVolume } from './captured-volume.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX } from '../nbd/front-end.ts';
import type { JournalWriter } from './journal-writer.ts';
import { bytesDue, pauseBetween } from './patrol-pace.ts';

/** Of the host thread's time, which hosts need. */
const TIME_SHARE = 1 / 4;
/** Milliseconds between looks at whether the patrol may go on. */
const PAUSE = 200;
/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;
/** Milliseconds between two words about how far a pass is. */
const PROGRESS_INTERVAL = 500;

/** Where a pass is: what lies before it, in the order of the volumes, is done. */
export interface PatrolPlace {
  /** Position among the group's volumes, not their index in the journal. */
  readonly volume: number;
  /** Bytes. */
  readonly offset: number;
}

export interface PatrolOrder {
  readonly pass: number;
  readonly from: PatrolPlace;
  /** Milliseconds for all volumes; 0: as fast as the budget lets it. */
  readonly every: number;
}

export interface PatrolProgress {
  readonly pass: number;
  readonly place: PatrolPlace;
  /** Of volume that verify records speak of since the order. */
  readonly bytes: number;
  /** Of the first and the newest of them; 0 before any. */
  readonly first: Lsn;
  readonly lsn: Lsn;
  readonly done: boolean;
}

/** A range to be sent again, at most {@link VERIFY_DATA_MAX} bytes. */
export interface MendRange {
  readonly volume: VolumeIndex;
  readonly offset: number;
  readonly length: number;
}

export interface PatrolOptions {
  readonly clock: Clock;
  readonly volumes: readonly CapturedVolume[];
  readonly writer: JournalWriter;
  /** The destinations are not to compare now, or the buffer is too full. */
  readonly blocked: () => boolean;
  readonly onProgress: (progress: PatrolProgress) => void;
  /** The range is in the journal again, and behind it at `lsn` a verify record. */
  readonly onMended: (range: MendRange, lsn: Lsn) => void;
  /** A step failed and is tried again until it succeeds; undefined when it has. */
  readonly onTrouble: (error: unknown) => void;
}

interface Pass {
  readonly order: PatrolOrder;
  readonly startedAt: number;
  volume: number;
  offset: number;
  bytes: number;
  first: Lsn;
  lsn: Lsn;
  toldAt: number;
}

interface Mend {
  readonly range: MendRange;
  /** Bytes of it that are in the journal again. */
  done: number;
}

export class Patrol {
  readonly #options: PatrolOptions;
  #memory: Buffer | undefined;
  readonly #offsets = new Float64Array(1);
  readonly #lengths = new Uint32Array(1);
  #pass: Pass | undefined;
  #mends: Mend[] = [];
  #timer: Timer | undefined;
  #waiting = false;
  #stopped = false;
  #troubled = false;

  constructor(options: PatrolOptions) {
    this.#options = options;
  }

  /** In place of a pass that is under way. */
  begin(order: PatrolOrder): void {
    const startedAt = this.#options.clock.monotonic();
    this.#pass = {
      order,
      startedAt,
      ...order.from,
      bytes: 0,
      first: LSN_NONE,
      lsn: LSN_NONE,
      toldAt: startedAt,
    };
    this.#later(0);
  }

  /** The pass under way is given up; mending goes on. */
  end(): void {
    this.#pass = undefined;
  }

  mend(range: MendRange): void {
    this.#mends.push({ range, done: 0 });
    this.#later(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(delay: number): void {
    this.#timer?.cancel();
    if (this.#stopped || this.#waiting || (this.#pass === undefined && this.#mends.length === 0)) return;
    this.#timer = this.#options.clock.after(delay, () => this.#step());
  }

  #step(): void {
    const { clock, writer } = this.#options;
    if (this.#options.blocked()) {
      this.#later(PAUSE);
      return;
    }
    const room = writer.room();
    if (room !== undefined) {
      this.#waiting = true;
      void room.then(() => {
        this.#waiting = false;
        this.#later(0);
      });
      return;
    }
    try {
      const before = clock.monotonic();
      const pause = this.#mends[0] === undefined ? this.#patrol() : this.#mendNext(this.#mends[0]);
      if (this.#troubled) this.#options.onTrouble(undefined);
      this.#troubled = false;
      const took = clock.monotonic() - before;
      this.#later(Math.max(pause, took * (1 / TIME_SHARE - 1)));
    } catch (error) {
      // A journal that failed says so itself, and nothing can be appended to it.
      if (writer.failure !== undefined) return;
      this.#troubled = true;
      this.#options.onTrouble(error);
      this.#later(RETRY);
    }
  }

  /** Milliseconds until the next step is due. */
  #patrol(): number {
    const pass = this.#pass;
    if (pass === undefined) return 0;
    const now = this.#options.clock.monotonic();
    const { every } = pass.order;
    const total = this.#options.volumes.reduce((sum, { size }) => sum + size, 0);
    if (pass.bytes >= bytesDue({ total, every, elapsed: now - pass.startedAt })) {
      this.#tell(pass, false);
      return pauseBetween(every);
    }
    const volume = this.#options.volumes[pass.volume];
    if (volume !== undefined) this.#verifyNext(pass, volume);
    const done = this.#options.volumes[pass.volume] === undefined;
    if (done) this.#pass = undefined;
    if (done || now - pass.toldAt >= PROGRESS_INTERVAL) this.#tell(pass, done);
    return 0;
  }

  #tell(pass: Pass, done: boolean): void {
    pass.toldAt = this.#options.clock.monotonic();
    const { order, volume, offset, bytes, first, lsn } = pass;
    this.#options.onProgress({ pass: order.pass, place: { volume, offset }, bytes, first, lsn, done });
  }

  #verifyNext(pass: Pass, volume: CapturedVolume): void {
    const { length, lsn } = this.#verify(volume, pass.offset, volume.size - pass.offset, pass.order.pass);
    if (pass.first === LSN_NONE) pass.first = lsn;
    pass.lsn = lsn;
    pass.bytes += length;
    pass.offset += length;
    if (pass.offset < volume.size) return;
    pass.volume += 1;
    pass.offset = 0;
  }

  /** Of what lies from `offset` on, as much as one record can speak of. */
  #verify(volume: CapturedVolume, offset: number, most: number, pass: number): { length: number; lsn: Lsn } {
    const hole = holeAt(volume, offset, Math.min(most, VERIFY_ZERO_MAX));
    const length = hole ?? Math.min(most, VERIFY_DATA_MAX - (offset % VERIFY_DATA_MAX));
    let digest: Buffer | undefined;
    if (hole === undefined) {
      const content = this.#buffer().subarray(0, length);
      volume.forgetCached(offset, length);
      volume.read(offset, content);
      digest = verifyDigest(content);
    }
    const lsn = this.#options.writer.append({
      kind: RecordKind.verify,
      volume: volume.volumeIndex,
      flags: 0,
      offset,
      payload: encodeVerify({ length, pass, digest }),
    });
    return { length, lsn };
  }

  /** A record's worth, and behind the last one a verify record. */
  #mendNext(mend: Mend): number {
    const { range } = mend;
    const volume = this.#options.volumes.find(({ volumeIndex }) => volumeIndex === range.volume);
    if (volume === undefined || range.length > VERIFY_DATA_MAX || range.offset + range.length > volume.size) {
      this.#mends.shift();
      return 0;
    }
    if (mend.done < range.length) {
      mend.done += this.#copy(volume, range.offset + mend.done, range.length - mend.done);
      return 0;
    }
    const end = range.offset + range.length;
    let lsn = LSN_NONE;
    for (let at = range.offset; at < end;) {
      const verified = this.#verify(volume, at, end - at, 0);
      at += verified.length;
      lsn = verified.lsn;
    }
    this.#mends.shift();
    this.#options.onMended(range, lsn);
    return 0;
  }

  /** Bytes that were copied. */
  #copy(volume: CapturedVolume, offset: number, most: number): number {
    const [extent] = volume.extents(offset, most, 1);
    const length = Math.min(extent?.length ?? most, WRITE_LENGTH_MAX);
    if (extent !== undefined && extent.kind !== 'data') {
      volume.appendZero(offset, length, RecordFlag.fromVolume);
      return length;
    }
    const buffer = this.#buffer();
    volume.read(offset, buffer.subarray(WRITE_HEADROOM, WRITE_HEADROOM + length));
    this.#offsets[0] = offset;
    this.#lengths[0] = length;
    const run = { buffer, start: 0, count: 1, offsets: this.#offsets, lengths: this.#lengths };
    volume.append(run, RecordFlag.fromVolume);
    return length;
  }

  /** Taken with the first step: most groups are not patrolled. */
  #buffer(): Buffer {
    return (this.#memory ??= Buffer.allocUnsafe(VERIFY_DATA_MAX));
  }
}

/** Bytes from `offset` on that are surely zeros, if they are worth a record without a digest: whole pieces, or up to the end. */
function holeAt(volume: CapturedVolume, offset: number, most: number): number | undefined {
  const [extent] = volume.extents(offset, most, 1);
  if (extent === undefined || extent.kind === 'data') return undefined;
  if (extent.length === most) return most;
  const end = Math.floor((offset + extent.length) / VERIFY_DATA_MAX) * VERIFY_DATA_MAX;
  return end > offset ? end - offset : undefined;
}
