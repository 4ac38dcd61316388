/**
 * Makes a sealed segment's file out of mutated bytes: checksums, tags, lengths and the table are put right again, so that
 * what lies behind them is reached. What stays as it was mutated is told by {@link Keep}.
 */
import { crc32, constants, zstdCompressSync } from 'node:zlib';
import { SegmentCipher } from '../../../src/journal/segment/cipher.ts';
import {
  FRAME_HEADER_SIZE,
  HEADER_SIZE,
  SEGMENT_FORMAT,
  TABLE_ENTRY_SIZE,
  TRAILER_SIZE,
  TRAILER_TAG_AT,
  type SealedFormat,
} from '../../../src/journal/segment/format.ts';

/** Bits of an input's first byte. */
export const Keep = {
  header: 1,
  records: 2,
  frameSizes: 4,
  frameChecksum: 8,
  table: 16,
  trailer: 32,
  trailerChecksum: 64,
  /** The bytes are the file. */
  all: 128,
} as const;

export const KEY = Buffer.alloc(32, 7);
const SALT = Buffer.alloc(16, 9);
const FRAME_MAGIC = 0x42464652;
const UNCOMPRESSED = 0x8000_0000;
/** In a frame's number: what is stored is compressed already. */
export const PACKED = 0x4000_0000;
const RECORD_HEADER_SIZE = 28;

export interface Form {
  readonly compressed: boolean;
  readonly encrypted: boolean;
  /** Default: a segment's. */
  readonly format?: SealedFormat;
}

interface Frame {
  readonly header: Buffer;
  readonly stored: readonly Buffer[];
  readonly entry: Buffer;
}

/** `input`: the byte of what to keep, and a segment that is neither compressed nor encrypted. */
export function assembleSegment(input: Buffer, form: Form): Buffer {
  const keep = input[0] ?? 0;
  const file = input.subarray(1);
  if ((keep & Keep.all) !== 0 || file.length < HEADER_SIZE + TRAILER_SIZE) return file;
  const header = Buffer.from(file.subarray(0, HEADER_SIZE));
  const cipher = form.encrypted ? new SegmentCipher(KEY, SALT) : undefined;
  if ((keep & Keep.header) === 0) mendHeader(header, form, cipher);
  const seed = header.readUInt32BE(208);
  const frames: Frame[] = [];
  let at = HEADER_SIZE;
  let position = HEADER_SIZE;
  while (at + FRAME_HEADER_SIZE + TRAILER_SIZE <= file.length && file.readUInt32BE(at) === FRAME_MAGIC) {
    const length = Math.min(file.readUInt32BE(at + 4), file.length - TRAILER_SIZE - at - FRAME_HEADER_SIZE);
    const body = at + FRAME_HEADER_SIZE;
    const frame = makeFrame(
      Buffer.from(file.subarray(at, body)),
      Buffer.from(file.subarray(body, body + length)),
      {
        ...{ keep, form, cipher, header, seed, position, number: frames.length },
      },
    );
    frames.push(frame);
    position += FRAME_HEADER_SIZE + sizeOf(frame.stored);
    at = body + length;
  }
  const rest = file.subarray(at);
  const table =
    (keep & Keep.table) === 0
      ? Buffer.concat(frames.map(({ entry }) => entry))
      : rest.subarray(0, -TRAILER_SIZE);
  const trailer = Buffer.from(rest.subarray(-TRAILER_SIZE));
  mendTrailer(trailer, { keep, cipher, header, table, frames, position });
  return Buffer.concat([
    header,
    ...frames.flatMap((frame) => [frame.header, ...frame.stored]),
    table,
    trailer,
  ]);
}

function mendHeader(header: Buffer, form: Form, cipher: SegmentCipher | undefined): void {
  const { magic, version } = form.format ?? SEGMENT_FORMAT;
  magic.copy(header);
  header.writeUInt16BE(version, 8);
  const flags = header.readUInt16BE(10) & ~3;
  header.writeUInt16BE(flags | (form.encrypted ? 1 : 0) | (form.compressed ? 2 : 0), 10);
  if (cipher !== undefined) {
    SALT.copy(header, 212);
    cipher.keyCheck.copy(header, 228);
  }
  header.writeUInt32BE(crc32(header.subarray(0, 252)), 252);
}

interface FrameContext {
  readonly keep: number;
  readonly form: Form;
  readonly cipher: SegmentCipher | undefined;
  readonly header: Buffer;
  readonly seed: number;
  readonly position: number;
  readonly number: number;
}

function makeFrame(header: Buffer, content: Buffer, context: FrameContext): Frame {
  const { keep, form, cipher, position, number } = context;
  const written = header.readUInt32BE(24);
  const packed = form.compressed && (written & PACKED) !== 0;
  const records = packed || (keep & Keep.records) !== 0 ? undefined : mendRecords(content, context.seed);
  const compresses = form.compressed && (written & UNCOMPRESSED) === 0;
  const body = compresses && !packed ? compress(content) : content;
  const stored = body.length + (cipher === undefined ? 0 : 16);
  if ((keep & Keep.frameSizes) === 0) {
    if (!packed) header.writeUInt32BE(content.length, 8);
    if (records !== undefined) header.writeUInt32BE(records, 12);
    header.writeUInt32BE((number | (compresses ? 0 : UNCOMPRESSED)) >>> 0, 24);
  }
  header.writeUInt32BE(stored, 4);
  const parts = cipher?.sealFrame(body, number, [context.header, header.subarray(0, 28)]) ?? [body];
  if ((keep & Keep.frameChecksum) === 0) {
    header.writeUInt32BE(
      parts.reduce((crc, part) => crc32(part, crc), crc32(header.subarray(0, 28))),
      28,
    );
  }
  const entry = Buffer.alloc(TABLE_ENTRY_SIZE);
  entry.writeUInt32BE(position, 4);
  header.copy(entry, 8, 16, 24);
  entry.writeUInt32BE(FRAME_HEADER_SIZE + stored, 16);
  header.copy(entry, 20, 12, 16);
  return { header, stored: parts, entry };
}

/** Returns how many records there are. */
export function mendRecords(content: Buffer, seed: number): number {
  let count = 0;
  for (let at = 0; at + RECORD_HEADER_SIZE <= content.length;) {
    const kind = content[at + 4] ?? 0;
    const payload = kind === 2 || kind === 3 ? 0 : content.readUInt32BE(at + 24);
    const end = Math.min(at + RECORD_HEADER_SIZE + payload, content.length);
    content.writeUInt32BE(crc32(content.subarray(at + 4, end), seed), at);
    count += 1;
    at = end;
  }
  return count;
}

function compress(content: Buffer): Buffer {
  return zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

const sizeOf = (parts: readonly Buffer[]): number => parts.reduce((sum, part) => sum + part.length, 0);

interface TrailerContext {
  readonly keep: number;
  readonly cipher: SegmentCipher | undefined;
  readonly header: Buffer;
  readonly table: Buffer;
  readonly frames: readonly Frame[];
  readonly position: number;
}

function mendTrailer(
  trailer: Buffer,
  { keep, cipher, header, table, frames, position }: TrailerContext,
): void {
  if ((keep & Keep.trailer) === 0) {
    trailer.write('BFEND\r\n\x1a', 'latin1');
    trailer.writeUInt32BE(frames.length, 8);
    trailer.writeBigUInt64BE(
      frames.reduce((sum, frame) => sum + BigInt(frame.header.readUInt32BE(12)), 0n),
      16,
    );
    trailer.writeBigUInt64BE(BigInt(position), 32);
    trailer.writeBigUInt64BE(BigInt(position + table.length + TRAILER_SIZE), 40);
  }
  if ((keep & Keep.trailerChecksum) !== 0) return;
  cipher?.sealTrailer([header, table, trailer.subarray(0, TRAILER_TAG_AT)]).copy(trailer, TRAILER_TAG_AT);
  trailer.writeUInt32BE(crc32(trailer.subarray(0, 124), crc32(table)), 124);
}
