import { constants, zstdCompressSync } from 'node:zlib';
import type { OpenFile } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import { lsn, type Lsn } from '../ids.ts';
import { readUInt64, RECORD_HEADER_SIZE } from '../record.ts';
import { SALT_SIZE, SegmentCipher, TAG_SIZE } from './cipher.ts';
import { discard } from './discard.ts';
import {
  encodeFrameHeader,
  encodeHeader,
  encodeTable,
  encodeTrailer,
  finishFrameHeader,
  finishTrailer,
  FRAME_HEADER_SIZE,
  SEGMENT_FORMAT,
  TABLE_ENTRY_SIZE,
  TRAILER_SIZE,
  type TableEntry,
} from './format.ts';
import { Scratch } from './lasting-memory.ts';
import type { SegmentHeader, SegmentTotals } from './segment.ts';

/** Plain bytes after which a frame is closed: zstd is fastest on about this much. */
const FRAME_TARGET = 1024 * 1024;
const COMPRESSED_SLACK = 16 * 1024;
/** What stands for a frame: pieces from all over it, bytes. */
const SAMPLE_PIECE = 2048;
const SAMPLE_PIECES = 16;
const SAMPLE = Buffer.allocUnsafeSlow(SAMPLE_PIECE * SAMPLE_PIECES);
/** Of whichever writer: each is done with its frame when it has written it. */
const gathered = new Scratch();

export interface SegmentOptions {
  /** 32 bytes, or undefined: neither encrypted nor authenticated. */
  readonly key: Buffer | undefined;
  /** zstd level, 0 = none. */
  readonly compression: number;
  readonly random: Random;
}

/** Encoded records (record.ts), header and payload together, in LSN order. */
export type EncodedRecord = Buffer;

/** Writes a sealed segment a record at a time. Whoever opened the file syncs and closes it, and names it after that (I6). */
export class SegmentWriter {
  readonly #file: Pick<OpenFile, 'write'>;
  readonly #header: Buffer;
  readonly #cipher: SegmentCipher | undefined;
  readonly #compression: number;
  readonly #table: TableEntry[] = [];
  #position = 0;
  /** The last frame got smaller. */
  #shrinks = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #records = 0;

  constructor(
    file: Pick<OpenFile, 'write'>,
    facts: Omit<SegmentHeader, 'encrypted' | 'compressed'>,
    options: SegmentOptions,
    format = SEGMENT_FORMAT,
  ) {
    this.#file = file;
    this.#compression = options.compression;
    const salt = options.key === undefined ? undefined : options.random.bytes(SALT_SIZE);
    this.#cipher =
      options.key === undefined || salt === undefined ? undefined : new SegmentCipher(options.key, salt);
    this.#header = encodeHeader(
      { ...facts, encrypted: this.#cipher !== undefined, compressed: options.compression > 0 },
      salt === undefined || this.#cipher === undefined
        ? undefined
        : { salt, keyCheck: this.#cipher.keyCheck },
      format,
    );
    this.#write(this.#header);
  }

  /** Written so far. */
  get bytes(): number {
    return this.#position;
  }

  /** Written so far. */
  get frames(): number {
    return this.#table.length;
  }

  add(record: EncodedRecord): void {
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    this.#records += 1;
    if (this.#pendingBytes >= FRAME_TARGET) this.#writeFrame();
  }

  /** `dataBytes`: of volume data in the records. */
  finish(dataBytes: number): SegmentTotals {
    if (this.#pending.length > 0) this.#writeFrame();
    const table = encodeTable(this.#table);
    const totals = {
      frames: this.#table.length,
      records: this.#records,
      dataBytes,
      fileBytes: this.#position + this.#table.length * TABLE_ENTRY_SIZE + TRAILER_SIZE,
    };
    const trailer = encodeTrailer(totals, this.#position);
    const tag = this.#cipher?.sealTrailer([
      this.#header,
      table,
      trailer.subarray(0, TRAILER_SIZE - TAG_SIZE - 4),
    ]);
    finishTrailer(trailer, table, tag);
    this.#write(Buffer.concat([table, trailer]));
    return totals;
  }

  #writeFrame(): void {
    const records = this.#pending;
    const plain = this.#gather(records);
    this.#pending = [];
    this.#pendingBytes = 0;
    const packed = this.#compress(plain);
    const body = packed ?? plain;
    const frame = {
      storedBytes: body.length + (this.#cipher === undefined ? 0 : TAG_SIZE),
      plainBytes: plain.length,
      records: records.length,
      first: firstLsn(plain),
      number: this.#table.length,
      compressed: packed !== undefined,
    };
    const header = encodeFrameHeader(frame);
    const stored = this.#cipher?.sealFrame(body, frame.number, [this.#header, header.subarray(0, 28)]) ?? [
      body,
    ];
    finishFrameHeader(header, stored);
    this.#table.push({
      offset: this.#position,
      first: frame.first,
      bytes: FRAME_HEADER_SIZE + frame.storedBytes,
      records: frame.records,
    });
    for (const part of [header, ...stored]) this.#write(part);
    discard([...(packed === undefined ? [] : [packed]), ...(this.#cipher === undefined ? [] : stored)]);
  }

  /** As they lie where that is one behind the other; else in memory that is used again for the next frame. */
  #gather(records: readonly EncodedRecord[]): Buffer {
    const whole = asTheyLie(records);
    if (whole !== undefined) return whole;
    const plain = gathered.take(this.#pendingBytes);
    let at = 0;
    for (const record of records) at += record.copy(plain, at);
    return plain;
  }

  /**
   * Undefined when it would not get smaller. What does not comes in runs, as of encrypted or compressed files: unless the frame
   * before got smaller, a sample is tried first, at a fifth of the cost.
   */
  #compress(plain: Buffer): Buffer | undefined {
    if (this.#compression === 0) return undefined;
    const isTried =
      this.#shrinks || plain.length <= SAMPLE.length || shrinks(sampleOf(plain), this.#compression);
    const packed = isTried ? compress(plain, this.#compression) : undefined;
    this.#shrinks = packed !== undefined;
    return packed;
  }

  #write(bytes: Buffer): void {
    this.#file.write(bytes, this.#position);
    this.#position += bytes.length;
  }
}

/** One view of all of them; undefined when they do not lie one behind the other. */
function asTheyLie(records: readonly EncodedRecord[]): Buffer | undefined {
  const [first] = records;
  if (first === undefined) return undefined;
  const { buffer, byteOffset } = first;
  let end = byteOffset;
  for (const record of records) {
    if (record.buffer !== buffer || record.byteOffset !== end) return undefined;
    end += record.length;
  }
  return Buffer.from(buffer, byteOffset, end - byteOffset);
}

/** Of a frame that is longer; valid until the next one is taken. */
function sampleOf(plain: Buffer): Buffer {
  const stride = Math.floor(plain.length / SAMPLE_PIECES);
  for (let i = 0; i < SAMPLE_PIECES; i += 1)
    plain.copy(SAMPLE, i * SAMPLE_PIECE, i * stride, i * stride + SAMPLE_PIECE);
  return SAMPLE;
}

function shrinks(sample: Buffer, level: number): boolean {
  const packed = compress(sample, level);
  if (packed !== undefined) discard([packed]);
  return packed !== undefined;
}

/** Undefined when it would not get smaller. */
function compress(plain: Buffer, level: number): Buffer | undefined {
  const packed = zstdCompressSync(plain, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: plain.length,
    // One buffer for the whole result, instead of many to be joined.
    chunkSize: plain.length + COMPRESSED_SLACK,
  });
  if (packed.length < plain.length) return packed;
  discard([packed]);
  return undefined;
}

function firstLsn(plain: Buffer): Lsn {
  return lsn(plain.length < RECORD_HEADER_SIZE ? 0 : readUInt64(plain, 8));
}
