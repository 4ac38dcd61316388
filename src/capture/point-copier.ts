/**
 * The host thread's part of a copy as of one point in time. Cuts the point: from there on others keep what the volumes hold.
 * Puts what they read of it into the journal between an init-begin and an init-end record, in records that nobody here
 * takes for a write: what they hold may be older than what is in the volumes.
 */
import type { CopyPoint } from '../journal/copy-point.ts';
import type { Lsn, VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind, type AttachPayload, type MarkerPayload } from '../journal/record.ts';
import { WRITE_HEADROOM, WRITE_LENGTH_MAX } from '../nbd/front-end.ts';
import { sleep, type Clock } from '../platform/clock.ts';
import { assert } from '../platform/errors.ts';
import type { CapturedVolume } from './captured-volume.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { NamedResync } from './named-resync.ts';

/** Milliseconds between looks at whether a pause is over. */
const PAUSE = 100;
const NO_PAYLOAD = Buffer.alloc(0);
const FLAGS = RecordFlag.fromVolume | RecordFlag.fromPoint;

/** What a volume held at the point. */
export interface PointPiece {
  readonly volume: VolumeIndex;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** At most {@link WRITE_LENGTH_MAX} bytes; undefined: zeros. */
  readonly data: Uint8Array | undefined;
}

export interface PointEnd {
  /** Of the init-end record. */
  readonly end: Lsn;
  /** Of the marker behind it, if there was to be one. */
  readonly marker: Lsn | undefined;
}

export interface PointCopierOptions {
  readonly clock: Clock;
  readonly volumes: readonly CapturedVolume[];
  readonly writer: JournalWriter;
  readonly attached: () => AttachPayload;
  readonly resync: NamedResync;
  readonly paused: () => boolean;
  /** A point is cut: the segment that ends with it is handed on after this call. */
  readonly onPoint: (point: CopyPoint) => void;
}

export class PointCopier {
  readonly #options: PointCopierOptions;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + WRITE_LENGTH_MAX);
  /** The init-begin record of the copy under way; nothing is added to one that was called off. */
  #begun: Lsn | undefined;
  /** Counts up with every copy that is begun or stopped. */
  #copies = 0;

  constructor(options: PointCopierOptions) {
    this.#options = options;
  }

  /** The point is a record of its own, and the last of its segment: what was acknowledged before the call lies before it. */
  async cut(): Promise<void> {
    const { writer, clock, onPoint } = this.#options;
    for (let wait = writer.closable(); wait !== undefined; wait = writer.closable()) await wait;
    const time = clock.now();
    onPoint({ lsn: this.#control(RecordKind.clock, undefined, time), time });
    writer.close();
  }

  /** Resolves with the init-begin record's LSN; undefined when it was called off meanwhile. */
  async begin(point: CopyPoint): Promise<Lsn | undefined> {
    this.stop();
    const mine = this.#copies;
    const { writer, attached, resync } = this.#options;
    for (let wait = writer.closable(); wait !== undefined; wait = writer.closable()) await wait;
    if (this.#copies !== mine) return undefined;
    this.#begun = this.#control(RecordKind.initBegin, { point, ...resync.name() }, 0);
    // Again: an earlier one may lie in what is never shipped, before this record.
    this.#control(RecordKind.attach, attached(), 0);
    writer.close();
    return this.#begun;
  }

  /** As soon as there is room for it. False: the copy that began at `begin` was called off. */
  async append(begin: Lsn, pieces: readonly PointPiece[]): Promise<boolean> {
    for (const piece of pieces) {
      await this.#room();
      if (this.#begun !== begin) return false;
      this.#append(piece);
    }
    return this.#begun === begin;
  }

  /**
   * All was appended. The marker fires behind it, on what the volumes held at the point. Undefined: it was called off.
   * @throws OperatorError `JOURNAL_FAILED`
   */
  async end(begin: Lsn, marker?: MarkerPayload & { readonly time: number }): Promise<PointEnd | undefined> {
    const { writer } = this.#options;
    for (let wait = writer.closable(); wait !== undefined; wait = writer.closable()) await wait;
    if (this.#begun !== begin) return undefined;
    this.#begun = undefined;
    const end = this.#control(RecordKind.initEnd, {}, 0);
    let placed: Lsn | undefined;
    if (marker !== undefined) {
      const { time, ...payload } = marker;
      placed = this.#control(RecordKind.marker, payload, time);
    }
    writer.close();
    await writer.durable();
    return { end, marker: placed };
  }

  /** Nothing more is copied; what has been is in the journal. */
  stop(): void {
    this.#copies += 1;
    this.#begun = undefined;
  }

  async #room(): Promise<void> {
    const { clock, writer, paused } = this.#options;
    while (this.#begun !== undefined) {
      if (paused()) await sleep(clock, PAUSE);
      else {
        const room = writer.room();
        if (room === undefined) return;
        await room;
      }
    }
  }

  #append({ volume: index, offset, length, data }: PointPiece): void {
    const volume = this.#options.volumes.find(({ volumeIndex }) => volumeIndex === index);
    assert(volume !== undefined, `a copy of volume number ${index}`);
    if (data === undefined) {
      volume.appendZero(offset, length, FLAGS);
      return;
    }
    assert(data.length === length && length <= WRITE_LENGTH_MAX, `a piece of ${length} bytes`);
    this.#buffer.set(data, WRITE_HEADROOM);
    const [offsets, lengths] = [Float64Array.of(offset), Uint32Array.of(length)];
    volume.append({ buffer: this.#buffer, start: 0, count: 1, offsets, lengths }, FLAGS);
  }

  #control(kind: RecordKind, payload: object | undefined, offset: number): Lsn {
    const bytes = payload === undefined ? NO_PAYLOAD : Buffer.from(JSON.stringify(payload), 'utf8');
    return this.#options.writer.append({ kind, volume: 0 as VolumeIndex, flags: 0, offset, payload: bytes });
  }
}
