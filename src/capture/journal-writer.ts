/**
 * The append side of a group's journal, on the host thread.
 *
 * I1: `append*` returns once the records are in the open segment; `durable()` resolves once they are on the medium.
 *     Concurrent callers share one sync: while one runs, all that come wait for the next.
 * I2: a closed segment is handed on (`onClosed`) only after it is durable itself, and after the directory entry of its
 *     successor, which fixes for ever where it ends, is durable too.
 */
import { join } from 'node:path';
import type { Clock, Timer } from '../platform/clock.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import type { Random } from '../platform/random.ts';
import { lsn, type EpochIdentity, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import { openName } from '../journal/names.ts';
import { encodeRawHeader, RAW_HEADER_SIZE, type ClosedRaw, type RawHeader } from '../journal/raw-segment.ts';
import { CLOCK_GRANULARITY_MS, encodeRecord, encodeRecordInPlace, RecordKind } from '../journal/record.ts';
import { WRITE_HEADROOM, WRITE_RUN_MAX, type WriteRun } from '../nbd/front-end.ts';
import { isDiskFull, RawPool, type SpareRaw } from './raw-pool.ts';
import { ReadableRaws } from './readable-raws.ts';
import { RoomWaiters } from './room-waiters.ts';
import { encodeRun } from './run-records.ts';
import { SharedSync } from './shared-sync.ts';

/** Room in a raw segment past its size limit, for the run that fills it and the records of our own behind it. */
export const RAW_MARGIN = WRITE_RUN_MAX + 256 * 1024;

export interface JournalWriterOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  /** The group's `journal` folder. */
  readonly folder: string;
  /** Bytes of records after which a raw segment is closed. */
  readonly segmentSize: number;
  /** Milliseconds after its first record when a raw segment is closed. */
  readonly segmentAge: number;
  /** Raw segments at most, the open one included. */
  readonly rawsMax: number;
  /** Of all volumes, that are not destaged. */
  readonly extents: () => number;
  readonly epoch: EpochIdentity;
  /** The first LSN to give. */
  readonly next: Lsn;
  /** Raw segments of an earlier run, which count against the pool until they are released. */
  readonly recovered: readonly { readonly path: string; readonly generation: number }[];
  /** A raw segment is closed and durable; it stays until `release`. */
  readonly onClosed: (raw: ClosedRaw, generation: number) => void;
  /** The journal cannot be trusted any more: a sync failed. Nothing is appended from here on. */
  readonly onFailed: (error: OperatorError) => void;
}

interface OpenRaw {
  readonly file: OpenFile;
  readonly path: string;
  readonly header: RawHeader;
  readonly generation: number;
}

export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #pool: RawPool;
  readonly #readable: ReadableRaws;
  readonly #syncs: SharedSync;
  #current: OpenRaw;
  #end = RAW_HEADER_SIZE;
  #next: Lsn;
  #closedBytes = 0;
  #clockAt = 0;
  #generation = 0;
  /** Nothing more goes into this file: it was to be closed, or a failed append left bytes that could pass for records. */
  #spoilt = false;
  #closing: { readonly raw: ClosedRaw; readonly open: OpenRaw }[] = [];
  /** While closed segments are still to be handed on. */
  #handing: PromiseWithResolvers<void> | undefined;
  #entriesUnsynced = true;
  #failure: OperatorError | undefined;
  #ageTimer: Timer | undefined;
  readonly #waiting: RoomWaiters;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#next = options.next;
    const fileSize = RAW_HEADER_SIZE + options.segmentSize + RAW_MARGIN;
    const left = { count: options.recovered.length, successor: this.#pathOf(options.next) };
    this.#pool = new RawPool({ ...options, fileSize, max: options.rawsMax }, left);
    this.#waiting = new RoomWaiters(options.clock);
    this.#readable = new ReadableRaws(options.files);
    for (const { path, generation } of options.recovered) this.#readable.add(generation, path);
    this.#syncs = new SharedSync({
      durable: this.last,
      last: () => this.last,
      sync: (target) => this.#sync(target),
      syncNow: () => this.#syncNow(),
      clock: options.clock,
      due: () => this.#closing.length > 0,
      onFailed: (cause) => this.#fail(cause),
    });
    const spare = this.#pool.take();
    if (spare === undefined) throw bufferFull(options.folder);
    this.#current = this.#start(spare);
    // What follows relies on where the recovered journal ended: that is fixed before anything else happens.
    options.files.syncDirectory(options.folder);
    this.#entriesUnsynced = false;
  }

  /** The newest record's LSN. */
  get last(): Lsn {
    return lsn(this.#next - 1);
  }

  get durableLast(): Lsn {
    return this.#syncs.durable;
  }

  /** Bytes of all raw segments since the start, closed ones and the open one. */
  get appended(): number {
    return this.#closedBytes + this.#end;
  }

  /** Raw segments that are open or not destaged. */
  get rawsInUse(): number {
    return this.#pool.inUse;
  }

  /** Of the segment that is being appended to: counts up with every new one, from 1. */
  get generation(): number {
    return this.#current.generation;
  }

  get failure(): OperatorError | undefined {
    return this.#failure;
  }

  /** The raw segment of a generation that has not been forgotten. */
  fileOf(generation: number): OpenFile {
    return this.#readable.fileOf(generation);
  }

  /** What generations up to this one hold is in the volumes: nobody reads it from the journal any more. */
  forget(generation: number): void {
    this.#readable.forgetUpTo(generation);
  }

  /** Whether somebody waits for room. */
  get isWaitedFor(): boolean {
    return this.#waiting.isWaitedFor;
  }

  /** Undefined when there is room for a run, or the journal has failed and says so; else a promise for when there may be. */
  room(): Promise<void> | undefined {
    if (!this.#mustRoll() || this.#roll() || this.#failure !== undefined) return undefined;
    return this.#waiting.wait();
  }

  /** Undefined when {@link close} can be expected to succeed, or the journal has failed; else a promise for when it may. */
  closable(): Promise<void> | undefined {
    if (this.#spoilt) return this.room();
    return this.#failure !== undefined || this.#pool.ready() ? undefined : this.#waiting.wait();
  }

  /**
   * One append for the whole run. `placed` learns where each payload lies in the open segment.
   * @throws the file system's error; then none of the run is in the journal
   */
  appendWrites(
    run: WriteRun,
    volume: VolumeIndex,
    flags: number,
    placed: (index: number, position: number) => void,
  ): void {
    this.#begin();
    let position = this.#end;
    const { seed } = this.#current.header;
    this.#write(encodeRun(run, { first: this.#next, volume, flags, seed }), run.count);
    for (let i = 0; i < run.count; i += 1) {
      placed(i, position + WRITE_HEADROOM);
      position += WRITE_HEADROOM + (run.lengths[i] ?? 0);
    }
  }

  /** One record. `length` is the payload's, or for a zero record the bytes zeroed. Returns its LSN. */
  append(record: {
    readonly kind: RecordKind;
    readonly volume: VolumeIndex;
    readonly flags: number;
    readonly offset: number;
    readonly payload: Buffer;
    readonly length?: number;
  }): Lsn {
    this.#begin();
    const at = this.#next;
    const seed = this.#current.header.seed;
    const bytes = encodeRecord({ ...record, lsn: at }, record.payload, seed);
    if (record.length !== undefined)
      encodeRecordInPlace(bytes, 0, { ...record, lsn: at, length: record.length }, seed);
    this.#write(bytes, 1);
    return at;
  }

  /**
   * Resolves when everything appended before this call is durable. `alone`: nobody is kept waiting when this thread waits for
   * the medium itself. @throws OperatorError `JOURNAL_FAILED`
   */
  durable(alone = false): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return alone ? this.#syncs.waitHere() : this.#syncs.wait();
  }

  /**
   * Closes the open segment if it holds anything. False when there is no file to go on with: nothing more is appended to
   * it all the same, so that a marker is the last record of its segment.
   */
  close(): boolean {
    if (this.last < this.#current.header.first || this.#roll()) return true;
    this.#spoilt = true;
    return false;
  }

  /** Resolves when every segment that was closed before this call is handed on, or the journal has failed. */
  handedOn(): Promise<void> {
    return this.#handing?.promise ?? Promise.resolve();
  }

  /** A closed segment is shipped and destaged: its file is used again. */
  release(path: string): void {
    this.#pool.give(path);
    this.wakeWaiting();
  }

  /** Whoever waits for room looks again: there is some, or writes are refused now and need none. */
  wakeWaiting(): void {
    this.#waiting.wake();
  }

  /** Nothing is appended after this, and whoever would is told why. What was appended, which is durable, can still be read. */
  retire(why: OperatorError): void {
    this.#failure ??= why;
    this.#ageTimer?.cancel();
    this.wakeWaiting();
  }

  /** Nothing is appended or synced after this. */
  stop(): void {
    this.#ageTimer?.cancel();
    this.#waiting.stop();
    this.forget(this.#generation);
    this.#pool.close();
  }

  #mustRoll(): boolean {
    return this.#spoilt || this.#end - RAW_HEADER_SIZE >= this.#options.segmentSize;
  }

  #begin(): void {
    if (this.#failure !== undefined) throw this.#failure;
    assert(!this.#spoilt, 'append without room()');
    const now = this.#options.clock.now();
    if (now >= this.#clockAt && now < this.#clockAt + CLOCK_GRANULARITY_MS) return;
    this.#clockAt = now;
    const header = {
      kind: RecordKind.clock,
      flags: 0,
      volume: 0 as VolumeIndex,
      lsn: this.#next,
      offset: now,
    };
    this.#write(encodeRecord(header, Buffer.alloc(0), this.#current.header.seed), 1);
  }

  #write(bytes: Buffer, records: number): void {
    assert(
      this.#end + bytes.length <= RAW_HEADER_SIZE + this.#options.segmentSize + RAW_MARGIN,
      'run too long',
    );
    try {
      this.#current.file.write(bytes, this.#end);
    } catch (error) {
      this.#spoilt = true;
      throw error;
    }
    const wasEmpty = this.last < this.#current.header.first;
    this.#end += bytes.length;
    this.#next = lsn(this.#next + records);
    if (wasEmpty) this.#ageTimer = this.#options.clock.after(this.#options.segmentAge, () => this.#onAge());
  }

  #onAge(): void {
    if (this.last >= this.#current.header.first && !this.#roll()) {
      this.#ageTimer = this.#options.clock.after(this.#options.segmentAge, () => this.#onAge());
    }
  }

  /** Goes on in a new raw segment. False when there can be none now, and all is as before. */
  #roll(): boolean {
    // Of one that was retired the open segment is the next one's, who has found it by now.
    if (this.#failure !== undefined) return false;
    try {
      const spare = this.#pool.take();
      if (spare === undefined) return false;
      const [open, last, end] = [this.#current, this.last, this.#end];
      this.#current = this.#start(spare);
      this.#ageTimer?.cancel();
      this.#spoilt = false;
      if (last < open.header.first) this.#replaced(open);
      else {
        this.#closedBytes += end;
        this.#closing.push({ raw: { path: open.path, header: open.header, last, end }, open });
        this.#handing ??= Promise.withResolvers();
      }
      this.#syncs.kick();
      return true;
    } catch (error) {
      if (!isDiskFull(error)) this.#fail(error);
      return false;
    }
  }

  /** Spoilt before its first record: its successor begins with the same LSN, and so has taken its name. */
  #replaced(open: OpenRaw): void {
    this.#readable.forget(open.generation);
    this.#pool.lost();
  }

  #pathOf(first: Lsn): string {
    return join(this.#options.folder, openName({ epoch: this.#options.epoch.number, first }));
  }

  /** @throws the file system's errors; then the spare is one still */
  #start(spare: SpareRaw): OpenRaw {
    const { random, epoch } = this.#options;
    const header = {
      epoch,
      first: this.#next,
      seed: random.bytes(4).readUInt32BE(),
      clock: this.#clockAt,
      durable: this.durableLast,
    };
    const path = this.#pathOf(this.#next);
    try {
      spare.file.write(encodeRawHeader(header), 0);
      this.#pool.rename(spare, path);
    } catch (error) {
      this.#pool.putBack(spare);
      throw error;
    }
    this.#end = RAW_HEADER_SIZE;
    this.#generation += 1;
    this.#entriesUnsynced = true;
    this.#readable.add(this.#generation, path, spare.file);
    return { file: spare.file, path, header, generation: this.#generation };
  }

  async #sync(target: Lsn): Promise<void> {
    const closing = this.#closing.splice(0);
    const current = this.#current;
    const entries = this.#entriesUnsynced;
    this.#entriesUnsynced = false;
    for (const { open } of closing) await open.file.sync();
    if (entries) await this.#options.files.syncDirectoryLater(this.#options.folder);
    if (target >= current.header.first) await current.file.sync();
    for (const { raw, open } of closing) this.#options.onClosed(raw, open.generation);
    if (this.#closing.length === 0) this.#handedOn();
  }

  /** False when more than the open segment is to be synced. */
  #syncNow(): boolean {
    if (this.#entriesUnsynced || this.#closing.length > 0) return false;
    this.#current.file.syncNow();
    return true;
  }

  #handedOn(): void {
    this.#handing?.resolve();
    this.#handing = undefined;
  }

  /** After a failed sync nobody knows what is on the medium, and a second sync would lie: the group must be restarted. */
  #fail(cause: unknown): OperatorError {
    if (this.#failure !== undefined) return this.#failure;
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new OperatorError(
      'JOURNAL_FAILED',
      `the journal in ${this.#options.folder} failed: ${why}`,
      {
        remedy: 'see to the disk under the buffer, then restart blockferry: the journal is replayed',
        cause,
      },
    );
    this.#syncs.fail(this.#failure);
    this.#handedOn();
    this.wakeWaiting();
    this.#options.onFailed(this.#failure);
    return this.#failure;
  }
}

function bufferFull(folder: string): OperatorError {
  return new OperatorError('BUFFER_FULL', `there is no room in ${folder} for an open segment`, {
    remedy: 'make room on the file system of the buffer, or choose a smaller segment size',
    retryable: true,
  });
}
