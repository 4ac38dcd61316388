import { zstdDecompressSync } from 'node:zlib';
import type { Files, OpenFile } from '../../platform/files.ts';
import {
  decodeRecord,
  decodeUnchecked,
  payloadLength,
  RECORD_HEADER_SIZE,
  type JournalRecord,
} from '../record.ts';
import { SegmentCipher, TAG_SIZE } from './cipher.ts';
import { discard } from './discard.ts';
import {
  checkTrailer,
  damaged,
  decodeFrameHeader,
  decodeHeader,
  decodeTable,
  decodeTrailer,
  FRAME_HEADER_SIZE,
  HEADER_SIZE,
  SEGMENT_FORMAT,
  STORED_SIZE_SLACK,
  TABLE_ENTRY_SIZE,
  TRAILER_SIZE,
  TRAILER_TAG_AT,
  type FrameHeader,
  type HeaderKeying,
  type SealedFormat,
  type TableEntry,
} from './format.ts';
import { Scratch } from './lasting-memory.ts';
import {
  FRAME_SIZE_MAX,
  SegmentRefused,
  type FrameMemory,
  type SegmentCheck,
  type SegmentHeader,
  type SegmentReader,
  type SegmentTotals,
} from './segment.ts';

/**
 * Opens a sealed segment: header, table and trailer are checked here, each frame when it is read.
 * `key`: the group's 32 bytes, undefined where none is configured.
 * @throws SegmentRefused and the file system's errors
 */
export function openSegment(
  files: Files,
  path: string,
  key: Buffer | undefined,
  format = SEGMENT_FORMAT,
): SegmentReader {
  const file = files.open(path, 'read');
  try {
    return new Reader(file, key, format);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Of whichever reader's frame: as it is stored, opened but compressed, and looked at by nobody. */
const [stored, opened, unseen] = [new Scratch(), new Scratch(), new Scratch()];

class Reader implements SegmentReader {
  readonly header: SegmentHeader;
  readonly totals: SegmentTotals;
  readonly #file: OpenFile;
  readonly #headerBytes: Buffer;
  readonly #cipher: SegmentCipher | undefined;
  readonly #table: readonly TableEntry[];

  constructor(file: OpenFile, key: Buffer | undefined, format: SealedFormat) {
    this.#file = file;
    const size = file.size();
    this.#headerBytes = this.#read(0, Buffer.alloc(Math.min(HEADER_SIZE, size)));
    const { header, keying } = decodeHeader(this.#headerBytes, file.path, format);
    this.header = header;
    if (size < HEADER_SIZE + TRAILER_SIZE) decodeTrailer(Buffer.alloc(TRAILER_SIZE), size, file.path);
    const trailer = this.#read(size - TRAILER_SIZE, Buffer.alloc(TRAILER_SIZE));
    const { totals, tableOffset } = decodeTrailer(trailer, size, file.path);
    this.totals = totals;
    const table = this.#read(tableOffset, Buffer.alloc(totals.frames * TABLE_ENTRY_SIZE));
    checkTrailer(trailer, table, file.path);
    this.#cipher = cipherFor(header, keying, key, file.path);
    const tag = trailer.subarray(TRAILER_TAG_AT, TRAILER_TAG_AT + 16);
    const authentic = this.#cipher?.checkTrailer(tag, [
      this.#headerBytes,
      table,
      trailer.subarray(0, TRAILER_TAG_AT),
    ]);
    if (authentic === false) throw forged(file.path, 'trailer');
    this.#table = decodeTable(table);
    this.#checkTable(tableOffset);
  }

  *frames(check: SegmentCheck = 'whole', memory?: FrameMemory): Iterable<readonly JournalRecord[]> {
    let records = 0;
    let last = this.header.first - 1;
    for (const [number, entry] of this.#table.entries()) {
      const { frame: header, plain } = this.#plain(number, entry, check, memory);
      const frame = this.#records(header, plain, check);
      for (const record of frame) {
        // Pieces of one record share its LSN; nothing else may stand still, go back or leave the segment's range.
        if (record.lsn < last || record.lsn < this.header.first || record.lsn > this.header.last) {
          throw damaged(this.#file.path, 'record order');
        }
        last = record.lsn;
      }
      records += frame.length;
      yield frame;
    }
    if (records !== this.totals.records) throw damaged(this.#file.path, 'record count');
  }

  plain(frame: number): Buffer {
    const entry = this.#table[frame];
    if (entry === undefined) throw damaged(this.#file.path, 'frame');
    return this.#plain(frame, entry, 'whole').plain;
  }

  verify(): void {
    const frames = this.frames('whole', (bytes) => unseen.take(bytes))[Symbol.iterator]();
    while (frames.next().done !== true);
  }

  close(): void {
    this.#file.close();
  }

  /** Frames lie one behind the other from the header to the table: nothing overlaps, nothing is left out. */
  #checkTable(tableOffset: number): void {
    let position = HEADER_SIZE;
    for (const entry of this.#table) {
      const stored = entry.bytes - FRAME_HEADER_SIZE;
      if (entry.offset !== position || stored < 0 || stored > FRAME_SIZE_MAX + STORED_SIZE_SLACK) {
        throw damaged(this.#file.path, 'table');
      }
      position += entry.bytes;
    }
    if (position !== tableOffset) throw damaged(this.#file.path, 'table');
  }

  #plain(
    number: number,
    entry: TableEntry,
    check: SegmentCheck,
    memory?: FrameMemory,
  ): { readonly frame: FrameHeader; readonly plain: Buffer } {
    const path = this.#file.path;
    const bytes = this.#read(entry.offset, stored.take(entry.bytes));
    const frame = decodeFrameHeader(bytes, path, check === 'rot' && this.#cipher !== undefined);
    if (frame.number !== number || frame.plainBytes > FRAME_SIZE_MAX || frame.records !== entry.records) {
      throw damaged(path, 'frame');
    }
    if (frame.compressed) {
      const body = this.#open(bytes, number, (count) => opened.take(count));
      return { frame, plain: decompress(frame, body, path, memory) };
    }
    const plain = this.#open(bytes, number, memory ?? ((count) => Buffer.allocUnsafeSlow(count)));
    if (plain.length !== frame.plainBytes) throw damaged(path, 'frame');
    return { frame, plain };
  }

  /** What a frame holds, decrypted. */
  #open(bytes: Buffer, number: number, memory: FrameMemory): Buffer {
    const sealed = bytes.subarray(FRAME_HEADER_SIZE);
    if (this.#cipher === undefined) {
      const body = memory(sealed.length);
      sealed.copy(body);
      return body;
    }
    const body = memory(Math.max(0, sealed.length - TAG_SIZE));
    if (this.#cipher.openFrame(sealed, number, [this.#headerBytes, bytes.subarray(0, 28)], body)) return body;
    // What fails its checksum, too, is damaged.
    decodeFrameHeader(bytes, this.#file.path);
    throw forged(this.#file.path, `frame ${number}`);
  }

  #records(frame: FrameHeader, plain: Buffer, check: SegmentCheck): JournalRecord[] {
    const records: JournalRecord[] = [];
    for (let at = 0; at < plain.length;) {
      const record =
        check === 'rot' ? decodeUnchecked(plain, at) : decodeRecord(plain, at, this.header.recordSeed);
      if (record === undefined) throw damaged(this.#file.path, 'record');
      records.push(record);
      at += RECORD_HEADER_SIZE + payloadLength(record);
    }
    if (records.length !== frame.records) throw damaged(this.#file.path, 'frame');
    return records;
  }

  #read(position: number, into: Buffer): Buffer {
    if (this.#file.read(into, position) !== into.length) throw damaged(this.#file.path, 'length');
    return into;
  }
}

function decompress(frame: FrameHeader, body: Buffer, path: string, memory?: FrameMemory): Buffer {
  const plain = decompressed(frame, body);
  if (plain?.length !== frame.plainBytes) throw damaged(path, 'compressed data');
  if (memory === undefined) return plain;
  const into = memory(plain.length);
  plain.copy(into);
  discard([plain]);
  return into;
}

/** In memory of its own; undefined: it is not zstd, or more than the frame says. */
function decompressed({ plainBytes }: FrameHeader, body: Buffer): Buffer | undefined {
  try {
    return zstdDecompressSync(body, {
      maxOutputLength: Math.max(1, plainBytes),
      // A byte more than it takes: in a buffer that is full zlib looks for more, in another of the same size.
      chunkSize: Math.max(64, plainBytes + 1),
    });
  } catch {
    return undefined;
  }
}

function cipherFor(
  header: SegmentHeader,
  keying: HeaderKeying,
  key: Buffer | undefined,
  path: string,
): SegmentCipher | undefined {
  if (!header.encrypted && key === undefined) return undefined;
  const remedy = `give both sides of group ${header.group.name} the same key-file`;
  if (!header.encrypted) {
    throw new SegmentRefused('WRONG_KEY', `${path} is not encrypted, but this group has a key`, remedy);
  }
  if (key === undefined) {
    throw new SegmentRefused('WRONG_KEY', `${path} is encrypted, but this group has no key`, remedy);
  }
  const cipher = new SegmentCipher(key, keying.salt);
  if (!cipher.keyCheck.equals(keying.keyCheck)) {
    throw new SegmentRefused('WRONG_KEY', `${path} is encrypted with another key`, remedy);
  }
  return cipher;
}

function forged(path: string, part: string): SegmentRefused {
  return new SegmentRefused(
    'FORGED',
    `${path}: its ${part} is not authentic though its checksums hold: it was made or changed on the way`,
    'find out who can write to the file server; it will be asked for again',
  );
}
