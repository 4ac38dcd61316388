/**
 * Puts into the journal what volumes are to hold from now on, as if a host had written it: nobody else writes meanwhile. So
 * what follows the journal follows this too, and a full buffer does what it always does.
 */
import { WRITE_HEADROOM, WRITE_LENGTH_MAX, type HostError, type HostVolume } from '../nbd/front-end.ts';
import { sleep, type Clock } from '../platform/clock.ts';
import { assert } from '../platform/errors.ts';
import type { Lsn, VolumeIndex } from '../journal/ids.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { PointPiece } from './point-copier.ts';

/** Milliseconds between looks at whether writes are taken again. */
const PAUSE = 100;

/** Whose volumes they are. */
export interface RewrittenGroup {
  readonly writer: JournalWriter;
  /** Hosts' writes are refused for this, and so these wait. */
  readonly refusal: HostError | undefined;
}

export class Rewriter {
  readonly #clock: Clock;
  readonly #group: RewrittenGroup;
  readonly #volumes: ReadonlyMap<VolumeIndex, HostVolume>;
  readonly #buffer = Buffer.allocUnsafe(WRITE_HEADROOM + WRITE_LENGTH_MAX);
  #stopped = false;

  constructor(clock: Clock, group: RewrittenGroup, volumes: ReadonlyMap<VolumeIndex, HostVolume>) {
    this.#clock = clock;
    this.#group = group;
    this.#volumes = volumes;
  }

  /** As soon as there is room for it. False: it was stopped. @throws HostError */
  async write(pieces: readonly PointPiece[]): Promise<boolean> {
    for (const piece of pieces) {
      if (!(await this.#room())) return false;
      this.#write(piece);
    }
    return true;
  }

  /** All that there is is durable and on its way into the volumes; returns the last record. @throws OperatorError `JOURNAL_FAILED` */
  async close(): Promise<Lsn> {
    const { writer } = this.#group;
    for (let wait = writer.closable(); wait !== undefined; wait = writer.closable()) await wait;
    const { last } = writer;
    writer.close();
    await writer.durable();
    return last;
  }

  /** Nothing more is written. */
  stop(): void {
    this.#stopped = true;
  }

  async #room(): Promise<boolean> {
    while (!this.#stopped) {
      const { writer, refusal } = this.#group;
      const room = refusal === undefined ? writer.room() : sleep(this.#clock, PAUSE);
      if (room === undefined) return true;
      await room;
    }
    return false;
  }

  #write({ volume: index, offset, length, data }: PointPiece): void {
    const volume = this.#volumes.get(index);
    assert(volume !== undefined, `a piece of volume number ${index}`);
    if (data === undefined) {
      volume.zero(offset, length, { keepAllocated: false });
      return;
    }
    assert(data.length === length && length <= WRITE_LENGTH_MAX, `a piece of ${length} bytes`);
    this.#buffer.set(data, WRITE_HEADROOM);
    const [offsets, lengths] = [Float64Array.of(offset), Uint32Array.of(length)];
    volume.write({ buffer: this.#buffer, start: 0, count: 1, offsets, lengths });
  }
}
