import type { Files, OpenFile } from '../platform/files.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import type { VolumeIndex } from '../journal/ids.ts';
import { RecordFlag, RecordKind } from '../journal/record.ts';
import { UndestagedIndex } from '../journal/undestaged-index.ts';
import { ExtentList, HostError, type Extent, type HostVolume, type WriteRun } from '../nbd/front-end.ts';
import type { JournalWriter } from './journal-writer.ts';

export interface VolumeOptions {
  readonly index: VolumeIndex;
  readonly name: string;
  readonly path: string;
  readonly size: number;
  /** What it had before a resize that was not finished: the journal is to say that there are zeros from there on. */
  readonly grewFrom?: number | undefined;
}

/** What a volume needs of its group. */
export interface CaptureGroup {
  readonly writer: JournalWriter;
  readonly refusal: HostError | undefined;
}

/** Fills a part of what is read. @throws the file system's error; HostError when the file ends before */
type ReadPiece = (file: OpenFile, into: Buffer, position: number) => void;

const NO_PAYLOAD = Buffer.alloc(0);
const SECTOR = 512;

/** One volume of a source group as its hosts see it. */
export class CapturedVolume implements HostVolume {
  readonly name: string;
  readonly readOnly = false;
  readonly volumeIndex: VolumeIndex;
  readonly index = new UndestagedIndex();
  readonly #files: Files;
  readonly #path: string;
  readonly #group: CaptureGroup;
  #size: number;
  #file: OpenFile | undefined;

  constructor(files: Files, options: VolumeOptions, group: CaptureGroup) {
    this.name = options.name;
    this.#size = options.size;
    this.volumeIndex = options.index;
    this.#files = files;
    this.#path = options.path;
    this.#group = group;
  }

  /** Bytes, as hosts are told. */
  get size(): number {
    return this.#size;
  }

  /** Hosts are told so from now on. */
  grow(size: number): void {
    this.#size = size;
  }

  room(): Promise<void> | undefined {
    // A refused or failed write needs no room: it is answered.
    return this.#group.refusal === undefined ? this.#group.writer.room() : undefined;
  }

  write(run: WriteRun): void {
    this.#admit();
    for (let i = 0; i < run.count; i += 1) this.#checkRange(run.offsets[i] ?? -1, run.lengths[i] ?? 0);
    this.append(run, 0);
  }

  /** Of the initial copy too, with `RecordFlag.fromVolume`: such data is in the volume already, reads need no index for it. */
  append(run: WriteRun, flags: number): void {
    const { writer } = this.#group;
    try {
      writer.appendWrites(run, this.volumeIndex, flags, (i, position) => {
        if (flags === 0)
          this.index.addWrite(run.offsets[i] ?? 0, run.lengths[i] ?? 0, writer.generation, position);
      });
    } catch (error) {
      throw toHostError(error, `cannot journal a write to volume ${this.name}`);
    }
  }

  zero(offset: number, length: number, options: { readonly keepAllocated: boolean }): void {
    this.#admit();
    this.#checkRange(offset, length);
    if (length === 0) return;
    this.appendZero(offset, length, options.keepAllocated ? RecordFlag.keepAllocated : 0);
    this.index.addZero(offset, length, this.#group.writer.generation);
  }

  /** The record alone; the initial copy needs nothing in the index. */
  appendZero(offset: number, length: number, flags: number): void {
    try {
      this.#group.writer.append({
        kind: RecordKind.zero,
        volume: this.volumeIndex,
        flags,
        offset,
        payload: NO_PAYLOAD,
        length,
      });
    } catch (error) {
      throw toHostError(error, `cannot journal a trim of volume ${this.name}`);
    }
  }

  read(offset: number, into: Buffer): void {
    this.#fill(offset, into, (file, target, position) =>
      checkWhole(file, target, position, file.read(target, position)),
    );
  }

  /**
   * What is waited for are pages of the system's memory and nothing else: `read` looks anew where it all lies, as by then a
   * host may have written, and a raw segment's file may be in use again.
   */
  readNow(offset: number, into: Buffer): Promise<void> | undefined {
    let cold: Promise<void>[] | undefined;
    this.#fill(offset, into, (file, target, position) => {
      const result = file.readNow(target, position);
      if (typeof result === 'number') checkWhole(file, target, position, result);
      // What failed fails again when it is read.
      else (cold ??= []).push(result.catch(() => undefined));
    });
    return cold === undefined ? undefined : Promise.all(cold).then(() => undefined);
  }

  #fill(offset: number, into: Buffer, read: ReadPiece): void {
    this.#checkRange(offset, into.length);
    const end = offset + into.length;
    try {
      for (let at = offset; at < end;) {
        const piece = this.index.pieceAt(at, end);
        const isAll = at === offset && piece.end === end;
        const target = isAll ? into : into.subarray(at - offset, piece.end - offset);
        if (piece.kind === 'zero') target.fill(0);
        else if (piece.kind === 'volume') this.#readVolume(target, at, read);
        else read(this.#group.writer.fileOf(piece.generation), target, piece.position);
        at = piece.end;
      }
    } catch (error) {
      throw toHostError(error, `cannot read volume ${this.name}`);
    }
  }

  /** What lies in the volume's own file is on its way into the system's memory. @throws HostError */
  startReading(offset: number, length: number): void {
    try {
      this.#open().startReading(offset, length);
    } catch (error) {
      throw toHostError(error, `cannot read volume ${this.name}`);
    }
  }

  /** What the system's memory holds of the volume's own file is dropped, as far as it can be: the next read sees the medium. */
  forgetCached(offset: number, length: number): void {
    try {
      this.#open().forgetCached(offset, length);
    } catch (error) {
      throw toHostError(error, `cannot read volume ${this.name}`);
    }
  }

  extents(offset: number, length: number, max: number): Extent[] {
    this.#checkRange(offset, length);
    const list = new ExtentList(max);
    try {
      for (const piece of this.index.lookup(offset, length)) {
        const whole =
          piece.kind === 'volume'
            ? this.#volumeExtents(piece.start, piece.end, list)
            : list.add(piece.end - piece.start, piece.kind === 'zero' ? 'hole' : 'data');
        if (!whole) break;
      }
    } catch (error) {
      this.close();
      throw toHostError(error, `cannot see what volume ${this.name} holds`);
    }
    return list.extents;
  }

  flush(alone: boolean): Promise<void> {
    return this.#group.writer.durable(alone).catch((error: unknown) => {
      throw toHostError(error, `cannot flush volume ${this.name}`);
    });
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #volumeExtents(start: number, end: number, list: ExtentList): boolean {
    let at = start;
    while (at < end) {
      const data = this.#open().nextData(at);
      const dataStart = Math.min(end, data?.start ?? end);
      if (dataStart > at && !list.add(dataStart - at, 'hole')) return false;
      const dataEnd = Math.min(end, data?.end ?? end);
      if (dataEnd > dataStart && !list.add(dataEnd - dataStart, 'data')) return false;
      at = dataEnd;
    }
    return true;
  }

  #readVolume(into: Buffer, position: number, read: ReadPiece): void {
    try {
      read(this.#open(), into, position);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #open(): OpenFile {
    this.#file ??= this.#files.open(this.#path, 'read');
    return this.#file;
  }

  #admit(): void {
    if (this.#group.refusal !== undefined) throw this.#group.refusal;
  }

  #checkRange(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size || offset % SECTOR !== 0 || length % SECTOR !== 0) {
      throw new HostError(
        'EINVAL',
        `${length} bytes at ${offset} are not whole sectors inside volume ${this.name}`,
      );
    }
  }
}

function checkWhole(file: OpenFile, into: Buffer, position: number, count: number): void {
  if (count !== into.length) throw new HostError('EIO', `${file.path} ends at ${position + count}`);
}

function toHostError(error: unknown, what: string): HostError {
  if (error instanceof HostError) return error;
  const code = errorCode(error);
  return new HostError(
    code === 'ENOSPC' || code === 'EDQUOT' ? 'ENOSPC' : 'EIO',
    `${what}: ${describeError(error)}`,
  );
}
