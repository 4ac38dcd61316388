/**
 * The append side of a group's journal, on the host thread.
 *
 * I1: `append*` returns once the records are in the open segment; `durable()` resolves once they are on the medium.
 *     Concurrent callers share one sync: while one runs, all that come wait for the next.
 * I2: a closed segment is handed on (`onClosed`) only after it is durable itself, and after the directory entry of its
 *     successor, which fixes for ever where it ends, is durable too.
 */
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import type { Random } from '../platform/random.ts';
import { lsn, type EpochIdentity, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import { openName } from '../journal/names.ts';
import { encodeRawHeader, RAW_HEADER_SIZE, type ClosedRaw, type RawHeader } from '../journal/raw-segment.ts';
import { CLOCK_GRANULARITY_MS, encodeRecord, encodeRecordInPlace, RecordKind } from '../journal/record.ts';
import { WRITE_HEADROOM, WRITE_RUN_MAX, type WriteRun } from './front-end.ts';
import { RawPool, type SpareRaw } from './raw-pool.ts';

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

interface Waiter {
  readonly target: Lsn;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #pool: RawPool;
  /** Generation → its raw segment, until what it holds is in the volumes; read from by undestaged reads. */
  readonly #readable = new Map<number, { readonly path: string; file: OpenFile | undefined }>();
  #current: OpenRaw;
  #end = RAW_HEADER_SIZE;
  #next: Lsn;
  #durable: Lsn;
  #clockAt = 0;
  #generation = 0;
  /** A failed append left bytes behind the end that could pass for records: nothing more goes into this file. */
  #spoilt = false;
  #closing: { readonly raw: ClosedRaw; readonly open: OpenRaw }[] = [];
  #entriesUnsynced = true;
  #waiters: Waiter[] = [];
  #syncing = false;
  #failure: OperatorError | undefined;
  #ageTimer: { cancel(): void } | undefined;
  #roomWaiters: (() => void)[] = [];

  constructor(options: JournalWriterOptions) {
    this.#options = options;
    this.#next = options.next;
    this.#durable = lsn(options.next - 1);
    const fileSize = RAW_HEADER_SIZE + options.segmentSize + RAW_MARGIN;
    this.#pool = new RawPool(options.files, options.folder, fileSize, options.recovered.length);
    for (const { path, generation } of options.recovered)
      this.#readable.set(generation, { path, file: undefined });
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
    return this.#durable;
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
    const raw = this.#readable.get(generation);
    assert(raw !== undefined, `raw segment ${generation} is indexed but forgotten`);
    raw.file ??= this.#options.files.open(raw.path, 'read');
    return raw.file;
  }

  /** What generations up to this one hold is in the volumes: nobody reads it from the journal any more. */
  forget(generation: number): void {
    for (const [candidate, raw] of this.#readable) {
      if (candidate > generation) continue;
      raw.file?.close();
      this.#readable.delete(candidate);
    }
  }

  /** Undefined when there is room for a run, or a promise for when there may be. */
  room(): Promise<void> | undefined {
    if (!this.#mustRoll() || this.#roll()) return undefined;
    return this.#untilReleased();
  }

  /** Undefined when {@link close} will succeed, or a promise for when it may. */
  closable(): Promise<void> | undefined {
    return this.#pool.ready() ? undefined : this.#untilReleased();
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
    const base = this.#end - run.start;
    let at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      const [offset, length] = [run.offsets[i] ?? 0, run.lengths[i] ?? 0];
      const header = { kind: RecordKind.write, flags, volume, lsn: lsn(this.#next + i), offset, length };
      encodeRecordInPlace(run.buffer, at, header, this.#current.header.seed);
      at += WRITE_HEADROOM + length;
    }
    this.#write(run.buffer.subarray(run.start, at), run.count);
    at = run.start;
    for (let i = 0; i < run.count; i += 1) {
      placed(i, base + at + WRITE_HEADROOM);
      at += WRITE_HEADROOM + (run.lengths[i] ?? 0);
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

  /** Resolves when everything appended before this call is durable. @throws OperatorError `JOURNAL_FAILED` */
  durable(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const target = this.last;
    if (this.#durable >= target) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ target, resolve, reject });
      this.#kick();
    });
  }

  /** Closes the open segment if it holds anything. False when there is no spare to go on with: try again later. */
  close(): boolean {
    return this.last < this.#current.header.first || this.#roll();
  }

  /** A closed segment is shipped and destaged: its file is used again. */
  release(path: string): void {
    this.#pool.give(path);
    this.wakeWaiting();
  }

  /** Whoever waits for room looks again: there is some, or writes are refused now and need none. */
  wakeWaiting(): void {
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  /** Nothing is appended or synced after this. */
  stop(): void {
    this.#ageTimer?.cancel();
    this.forget(this.#generation);
    this.#pool.close();
  }

  #untilReleased(): Promise<void> {
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
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

  /** Goes on in a new raw segment. False when the pool has none now. */
  #roll(): boolean {
    const spare = this.#pool.take();
    if (spare === undefined) return false;
    this.#ageTimer?.cancel();
    const open = this.#current;
    if (this.last < open.header.first) {
      // Spoilt before its first record: its successor begins with the same LSN, and so has the same name.
      this.forget(open.generation);
      this.#pool.give(open.path);
    } else {
      const raw = { path: open.path, header: open.header, last: this.last, end: this.#end };
      this.#closing.push({ raw, open });
    }
    this.#spoilt = false;
    this.#current = this.#start(spare);
    this.#kick();
    return true;
  }

  #start(spare: SpareRaw): OpenRaw {
    const { random, epoch, folder } = this.#options;
    const header = { epoch, first: this.#next, seed: random.bytes(4).readUInt32BE(), clock: this.#clockAt };
    const path = join(folder, openName({ epoch: epoch.number, first: this.#next }));
    spare.file.write(encodeRawHeader(header), 0);
    this.#pool.rename(spare, path);
    this.#end = RAW_HEADER_SIZE;
    this.#generation += 1;
    this.#entriesUnsynced = true;
    this.#readable.set(this.#generation, { path, file: spare.file });
    return { file: spare.file, path, header, generation: this.#generation };
  }

  #kick(): void {
    if (this.#syncing || this.#failure !== undefined) return;
    this.#syncing = true;
    void this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    try {
      while (this.#waiters.length > 0 || this.#closing.length > 0) await this.#syncOnce();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#syncing = false;
    }
  }

  async #syncOnce(): Promise<void> {
    const target = this.last;
    const closing = this.#closing.splice(0);
    const current = this.#current;
    const entries = this.#entriesUnsynced;
    this.#entriesUnsynced = false;
    for (const { open } of closing) await open.file.sync();
    if (entries) await this.#options.files.syncDirectoryLater(this.#options.folder);
    if (target >= current.header.first) await current.file.sync();
    this.#durable = target;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.target <= target) waiter.resolve();
      return waiter.target > target;
    });
    for (const { raw, open } of closing) this.#options.onClosed(raw, open.generation);
  }

  /** After a failed sync nobody knows what is on the medium, and a second sync would lie: the group must be restarted. */
  #fail(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new OperatorError(
      'JOURNAL_FAILED',
      `the journal in ${this.#options.folder} failed: ${why}`,
      {
        remedy: 'see to the disk under the buffer, then restart blockferry: the journal is replayed',
        cause,
      },
    );
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
    this.wakeWaiting();
    this.#options.onFailed(this.#failure);
  }
}

function bufferFull(folder: string): OperatorError {
  return new OperatorError('BUFFER_FULL', `there is no room in ${folder} for an open segment`, {
    remedy: 'make room on the file system of the buffer, or choose a smaller segment size',
    retryable: true,
  });
}
