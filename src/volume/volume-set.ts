/** A group's volumes as the journal is applied to them. */
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import { isNoRoom } from '../platform/reserve.ts';
import type { VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../journal/record.ts';

export interface SetVolume {
  readonly index: VolumeIndex;
  readonly name: string;
  /** A raw image file or a block device. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

export interface VolumeRange {
  readonly volume: string;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface ApplyOptions {
  /** Records that copy what the source's volume holds: the source itself skips them. */
  readonly fromVolume: 'apply' | 'skip';
  /** Nobody is about to read it: what comes in large pieces is kept in memory only until it is durable. */
  readonly isUnread?: boolean;
  /** Called with everything that is about to be overwritten, before anything is (I7). */
  readonly preserve?: (ranges: readonly VolumeRange[]) => void;
}

/** A volume as it is read. @throws OperatorError `VOLUME_UNREADABLE` all of it */
export interface VolumeContent extends Pick<OpenFile, 'nextData' | 'forgetCached'> {
  /** Fills `into`. */
  read(into: Uint8Array, offset: number): void;
}

/** Of a volume, bytes. */
interface Span {
  readonly start: number;
  end: number;
}

/** Zeros are written in pieces of this many bytes where a range cannot be deallocated. */
const ZERO_PIECE = Buffer.alloc(1024 * 1024);
/** Bytes of a write that are worth being given to the medium by themselves, ahead of the sync. */
const STARTED_FROM = 128 * 1024;
/** Bytes that are worth a sync of their own, ahead of the one that counts. */
const SYNCED_FROM = 8 * 1024 * 1024;
/** Bytes of zeros that are written at once before others have their turn. */
const CLEAR_MAX = 8 * 1024 * 1024;

export class VolumeSet {
  readonly #files: Files;
  readonly #volumes: Map<VolumeIndex, SetVolume>;
  readonly #open = new Map<VolumeIndex, OpenFile>();
  /** Bytes of data that were written and that no sync has begun for. */
  readonly #written = new Map<VolumeIndex, number>();
  /** Since the last sync, what is not kept in memory. */
  readonly #unread = new Map<VolumeIndex, Span[]>();
  /** Waits for the sync that has begun. */
  readonly #syncing = new Map<VolumeIndex, () => void>();

  constructor(files: Files, volumes: readonly SetVolume[]) {
    this.#files = files;
    this.#volumes = new Map(volumes.map((volume) => [volume.index, volume]));
  }

  /**
   * Applies writes and zeros in order; other kinds are not for volumes. Applying the same records again, from the start,
   * gives the same result (I3).
   * @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC` and may have applied a part; `VOLUME_BOUNDS` a record does not fit its
   * volume
   */
  apply(records: readonly JournalRecord[], options: ApplyOptions): void {
    const data = records.filter(
      (record) =>
        (record.kind === RecordKind.write || record.kind === RecordKind.zero) &&
        (options.fromVolume === 'apply' || (record.flags & RecordFlag.fromVolume) === 0),
    );
    for (const record of data) this.#checkBounds(record);
    options.preserve?.(
      data.map(({ volume, offset, length }) => ({ volume: this.#volume(volume).name, offset, length })),
    );
    for (const record of data) {
      this.#using(record.volume, (file) => {
        this.#written.set(record.volume, (this.#written.get(record.volume) ?? 0) + record.payload.length);
        if (options.isUnread === true && record.payload.length >= STARTED_FROM) this.#noteUnread(record);
        if (record.kind === RecordKind.write) writeData(file, record);
        else zero(file, record);
      });
    }
  }

  /**
   * Where much was applied it is on its way to the medium from now on, so that `sync`, which alone says that it is there, has
   * less to wait for. What lies in the system's memory may reach the medium at any time without this, too: what must be
   * durable before was so before it was applied (I2, I7). What is on its way already is waited for: the medium sets the pace.
   * @throws as `sync`
   */
  beginSync(): void {
    for (const [index, bytes] of this.#written) {
      if (bytes < SYNCED_FROM) continue;
      this.#using(index, (file) => {
        this.#waitFor(index);
        this.#syncing.set(index, file.beginSync());
      });
      this.#written.set(index, 0);
    }
  }

  /**
   * What was applied is durable on return, and of that which nobody is about to read no memory is taken any more: what is written
   * next gets that which was in use just now, in place of new, which costs several times as much.
   * @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC`
   */
  sync(): void {
    for (const index of this.#written.keys()) {
      this.#using(index, (file) => {
        this.#waitFor(index);
        file.syncNow();
        // A file that was removed while it was open takes writes to the last, and they are gone with it.
        if (this.#files.stat(file.path) === undefined) throw new Error('it was removed while it was written');
        for (const { start, end } of this.#unread.get(index) ?? []) file.forgetCached(start, end - start);
      });
    }
    this.#written.clear();
    this.#unread.clear();
  }

  /** It has so many bytes from now on; its file has them already. */
  resize(index: VolumeIndex, size: number): void {
    this.#volumes.set(index, { ...this.#volume(index), size });
  }

  /** Its file has at least so many bytes, durably. Returns how many it had. @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC` */
  extend(index: VolumeIndex, size: number): number {
    return this.#using(index, (file) => {
      this.#waitFor(index);
      const before = file.size();
      const isImage = this.#files.stat(file.path)?.kind === 'file';
      // Also what it has: the sync of an attempt before may have failed, after which others succeed without it.
      if (before < size || isImage) file.truncate(Math.max(before, size));
      file.syncNow();
      return before;
    });
  }

  /** The beginning of the range reads as zeros, durably; returns where the rest begins. @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC` */
  clear(index: VolumeIndex, start: number, end: number): number {
    return this.#using(index, (file) => {
      this.#waitFor(index);
      // Also where nothing is, for the same reason.
      if (file.punchHole(start, end - start)) {
        file.syncNow();
        return end;
      }
      const from = Math.min(end, file.nextData(start)?.start ?? end);
      const to = Math.min(end, from + CLEAR_MAX);
      writeZeros(file, from, to);
      file.syncNow();
      return to;
    });
  }

  /** Bytes; 0 when the group has no such volume. */
  sizeOf(index: VolumeIndex): number {
    return this.#volumes.get(index)?.size ?? 0;
  }

  /** Reads a volume while `look` runs, which throws what it likes. @throws OperatorError `VOLUME_OFFLINE` it cannot be opened */
  look<R>(index: VolumeIndex, look: (content: VolumeContent) => R): R {
    const volume = this.#volume(index);
    const file = this.#using(index, (opened) => opened);
    return look({
      read: (into, offset) => {
        this.#reading(volume, offset, () => readAll(file, into, offset));
      },
      nextData: (offset) => this.#reading(volume, offset, () => file.nextData(offset)),
      forgetCached: (offset, length) =>
        this.#reading(volume, offset, () => file.forgetCached(offset, length)),
    });
  }

  /** What a sync that had begun failed with is still told, by the next. */
  close(): void {
    for (const [index, wait] of this.#syncing) {
      try {
        wait();
        this.#syncing.delete(index);
      } catch (error) {
        this.#syncing.set(index, () => {
          throw error;
        });
      }
    }
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #noteUnread({ volume, offset, length }: JournalRecord): void {
    const spans = this.#unread.get(volume) ?? [];
    const last = spans.at(-1);
    if (last?.end === offset) last.end += length;
    else spans.push({ start: offset, end: offset + length });
    this.#unread.set(volume, spans);
  }

  #waitFor(index: VolumeIndex): void {
    const wait = this.#syncing.get(index);
    this.#syncing.delete(index);
    wait?.();
  }

  #volume(index: VolumeIndex): SetVolume {
    const volume = this.#volumes.get(index);
    if (volume !== undefined) return volume;
    throw new OperatorError(
      'VOLUME_BOUNDS',
      `a record is for volume number ${index}, which this group does not have`,
      {
        remedy: 'this is an error in blockferry: keep the group folder and report it',
      },
    );
  }

  #checkBounds(record: JournalRecord): void {
    const volume = this.#volume(record.volume);
    if (record.offset + record.length <= volume.size) return;
    throw new OperatorError(
      'VOLUME_BOUNDS',
      `record ${record.lsn} writes ${record.length} bytes at ${record.offset}, past the end of volume ${volume.name} (${volume.size} bytes)`,
      { remedy: 'this is an error in blockferry: keep the group folder and report it' },
    );
  }

  /** Closed after a failure, too: of a device that went away, the next attempt says that it is offline. */
  #reading<R>({ name, path }: SetVolume, offset: number, read: () => R): R {
    try {
      return read();
    } catch (error) {
      this.close();
      throw new OperatorError(
        'VOLUME_UNREADABLE',
        `volume ${name} (${path}) cannot be read at byte ${offset}: ${describeError(error)}`,
        {
          remedy: 'check its disk',
          retryable: true,
          cause: error,
        },
      );
    }
  }

  /** After a failure every file is closed: a device that comes back is opened anew. */
  #using<R>(index: VolumeIndex, action: (file: OpenFile) => R): R {
    const volume = this.#volume(index);
    try {
      let file = this.#open.get(index);
      if (file === undefined) {
        file = this.#files.open(volume.path, 'write');
        this.#open.set(index, file);
        if (file.size() < volume.size)
          throw new Error(`it has ${file.size()} bytes instead of ${volume.size}`);
      }
      return action(file);
    } catch (error) {
      this.close();
      if (isNoRoom(error)) throw noRoomFor(volume, error);
      throw new OperatorError(
        'VOLUME_OFFLINE',
        `volume ${volume.name} (${volume.path}): ${describeError(error)}`,
        {
          remedy: 'make it available again, readable and writable; work on it resumes by itself',
          retryable: true,
          cause: error,
        },
      );
    }
  }
}

/** A sparse image has a size, and no room of its own for what was never written. */
function noRoomFor({ name, path }: SetVolume, cause: unknown): OperatorError {
  return new OperatorError('ENOSPC', `volume ${name} (${path}): ${describeError(cause)}`, {
    remedy: 'make room on the file system that holds it; work on it resumes by itself',
    retryable: true,
    cause,
  });
}

function readAll(file: OpenFile, into: Uint8Array, offset: number): void {
  const count = file.read(into, offset);
  if (count !== into.length) throw new Error(`it ends at ${offset + count}`);
}

function writeData(file: OpenFile, { payload, offset }: JournalRecord): void {
  file.write(payload, offset);
  if (payload.length >= STARTED_FROM) file.startWriting(offset, payload.length);
}

function zero(file: OpenFile, record: JournalRecord): void {
  const keep = (record.flags & RecordFlag.keepAllocated) !== 0;
  if (!keep && file.punchHole(record.offset, record.length)) return;
  writeZeros(file, record.offset, record.offset + record.length);
}

function writeZeros(file: OpenFile, start: number, end: number): void {
  for (let at = start; at < end; at += ZERO_PIECE.length)
    file.write(ZERO_PIECE.subarray(0, Math.min(ZERO_PIECE.length, end - at)), at);
}
