/**
 * The byte format of a sealed segment, version 2. Big endian. Version 1 is the same without verify records. Golden files in test/golden hold it fast.
 *
 *     header    256 bytes
 *     frames    each a 32-byte frame header and its stored bytes
 *     table     24 bytes a frame
 *     trailer   128 bytes, the end of the file
 *
 * Header
 *
 *       0   8  magic "BFSEG\r\n\x1a" (a transfer in text mode breaks it)
 *       8   2  version
 *      10   2  flags: 1 encrypted, 2 compressed (zstd), 4 overwritten data dropped
 *      12   4  epoch
 *      16  16  epoch id
 *      32  16  group id
 *      48  64  group name: length in one byte, then UTF-8, then zeros
 *     112   8  first LSN
 *     120   8  last LSN
 *     128  32  journal's running digest before the first record
 *     160  32  the same after the last
 *     192   8  the source's clock at the first record, milliseconds since 1970
 *     200   8  the same at the last
 *     208   4  record seed
 *     212  16  key salt (zeros when not encrypted)
 *     228   8  key check: tells a wrong key from damage (zeros when not encrypted)
 *     236  16  zeros
 *     252   4  CRC-32 of bytes 0..252
 *
 * Frame: a run of records (record.ts), compressed if the flag says so and it helps, then encrypted if the flag says so.
 *
 *       0   4  magic "BFFR"
 *       4   4  stored bytes, tag included
 *       8   4  plain bytes
 *      12   4  records
 *      16   8  first LSN
 *      24   4  frame number from 0; the highest bit is set when this frame is stored uncompressed
 *      28   4  CRC-32 of bytes 0..28 and the stored bytes
 *
 * Table entry: offset (8), first LSN (8), stored bytes with the frame header (4), records (4).
 *
 * Trailer
 *
 *       0   8  magic "BFEND\r\n\x1a"
 *       8   4  frames
 *      12   4  zeros
 *      16   8  records
 *      24   8  bytes of volume data
 *      32   8  table offset
 *      40   8  file bytes
 *      48  60  zeros
 *     108  16  authentication tag over header, table and trailer 0..108 (zeros when not encrypted)
 *     124   4  CRC-32 of table and trailer 0..124
 *
 * Encryption: AES-256-GCM. The segment's key is HKDF-SHA-256(group key, salt, "blockferry segment 1"); a frame's nonce is
 * its number, the trailer's 2^32-1, in the last four of twelve bytes: with a key for each file no nonce is used twice.
 * A frame's associated data are the segment header and bytes 0..28 of its own, so that a frame moved to another place,
 * segment, group or epoch is refused (I12).
 *
 * A seed file (seed/seed-file.ts) is the same but for its magic, "BFSED\r\n\x1a", its version, 1, and what it says in the place
 * of the digests.
 *
 * Running digest: D' = SHA-256(D, all the record headers of the raw segment in order). A header holds the CRC of its
 * payload. D before LSN 1 is 32 zero bytes.
 */
import { isUtf8 } from 'node:buffer';
import { crc32 } from '@node-rs/crc32';
import { epoch, lsn, type Lsn } from '../ids.ts';
import { readUInt64, writeUInt64 } from '../record.ts';
import { SegmentRefused, type SegmentHeader, type SegmentTotals } from './segment.ts';

export const HEADER_SIZE = 256;
export const FRAME_HEADER_SIZE = 32;
export const TABLE_ENTRY_SIZE = 24;
export const TRAILER_SIZE = 128;
export const TRAILER_TAG_AT = 108;
export const FRAMES_MAX = 65_536;
/** Compression and tag may add a little to a frame that does not compress. */
export const STORED_SIZE_SLACK = 64 * 1024;
export const DIGEST_START = '0'.repeat(64);

/** What a file of this layout is. */
export interface SealedFormat {
  readonly name: string;
  readonly magic: Buffer;
  /** The one that is written, and those that are read. */
  readonly version: number;
  readonly versionsRead: readonly number[];
}

export const SEGMENT_FORMAT: SealedFormat = {
  name: 'a segment',
  magic: Buffer.from('BFSEG\r\n\x1a', 'latin1'),
  version: 2,
  versionsRead: [1, 2],
};
export const SEED_FORMAT: SealedFormat = {
  name: 'a seed file',
  magic: Buffer.from('BFSED\r\n\x1a', 'latin1'),
  version: 1,
  versionsRead: [1],
};

const TRAILER_MAGIC = Buffer.from('BFEND\r\n\x1a', 'latin1');
const FRAME_MAGIC = 0x42464652;
const UNCOMPRESSED = 0x8000_0000;
const NAME_MAX = 63;

const Flag = { encrypted: 1, compressed: 2, overwrittenDropped: 4 } as const;

/** The parts of a header that only the cipher looks at. */
export interface HeaderKeying {
  readonly salt: Buffer;
  readonly keyCheck: Buffer;
}

export interface FrameHeader {
  readonly storedBytes: number;
  readonly plainBytes: number;
  readonly records: number;
  readonly first: Lsn;
  readonly number: number;
  readonly compressed: boolean;
}

export interface TableEntry {
  readonly offset: number;
  readonly first: Lsn;
  readonly bytes: number;
  readonly records: number;
}

export function encodeHeader(
  header: SegmentHeader,
  keying: HeaderKeying | undefined,
  format: SealedFormat,
): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  format.magic.copy(bytes);
  bytes.writeUInt16BE(format.version, 8);
  bytes.writeUInt16BE(
    (header.encrypted ? Flag.encrypted : 0) |
      (header.compressed ? Flag.compressed : 0) |
      (header.overwrittenDropped ? Flag.overwrittenDropped : 0),
    10,
  );
  bytes.writeUInt32BE(header.epoch.number, 12);
  bytes.write(header.epoch.id, 16, 16, 'hex');
  bytes.write(header.group.id, 32, 16, 'hex');
  const name = Buffer.from(header.group.name, 'utf8');
  if (name.length > NAME_MAX)
    throw new RangeError(`group name ${header.group.name} is longer than ${NAME_MAX} bytes`);
  bytes.writeUInt8(name.length, 48);
  name.copy(bytes, 49);
  writeUInt64(bytes, header.first, 112);
  writeUInt64(bytes, header.last, 120);
  bytes.write(header.digestBefore, 128, 32, 'hex');
  bytes.write(header.digestAfter, 160, 32, 'hex');
  writeUInt64(bytes, header.firstTime, 192);
  writeUInt64(bytes, header.lastTime, 200);
  bytes.writeUInt32BE(header.recordSeed, 208);
  keying?.salt.copy(bytes, 212);
  keying?.keyCheck.copy(bytes, 228);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 252)), 252);
  return bytes;
}

/** @throws SegmentRefused `NOT_A_SEGMENT`, `DAMAGED` */
export function decodeHeader(
  bytes: Buffer,
  path: string,
  format: SealedFormat,
): { header: SegmentHeader; keying: HeaderKeying } {
  if (bytes.length < HEADER_SIZE || !bytes.subarray(0, 8).equals(format.magic)) {
    throw new SegmentRefused(
      'NOT_A_SEGMENT',
      `${path} is not ${format.name}`,
      'see what else writes there; an FTP transfer in text mode does this too',
    );
  }
  if (crc32(bytes.subarray(0, 252)) !== bytes.readUInt32BE(252)) throw damaged(path, 'header');
  const version = bytes.readUInt16BE(8);
  if (!format.versionsRead.includes(version)) {
    throw new SegmentRefused(
      'NOT_A_SEGMENT',
      `${path} has format version ${version}; this program reads versions ${format.versionsRead.join(' and ')}`,
      'run the same version of blockferry on both sides',
    );
  }
  const flags = bytes.readUInt16BE(10);
  const numbers = [112, 120, 192, 200].map((at) => readUInt64(bytes, at));
  const nameLength = bytes.readUInt8(48);
  if (flags > 7 || nameLength > NAME_MAX || !numbers.every(Number.isSafeInteger))
    throw damaged(path, 'header');
  const [first = 0, last = 0, firstTime = 0, lastTime = 0] = numbers;
  const name = bytes.subarray(49, 49 + nameLength);
  if (first < 1 || last < first || !isUtf8(name)) throw damaged(path, 'header');
  const header = {
    group: { name: name.toString('utf8'), id: bytes.toString('hex', 32, 48) },
    epoch: { number: epoch(bytes.readUInt32BE(12)), id: bytes.toString('hex', 16, 32) },
    first: lsn(first),
    last: lsn(last),
    digestBefore: bytes.toString('hex', 128, 160),
    digestAfter: bytes.toString('hex', 160, 192),
    firstTime,
    lastTime,
    encrypted: (flags & Flag.encrypted) !== 0,
    compressed: (flags & Flag.compressed) !== 0,
    overwrittenDropped: (flags & Flag.overwrittenDropped) !== 0,
    recordSeed: bytes.readUInt32BE(208),
  };
  const keying = { salt: bytes.subarray(212, 228), keyCheck: bytes.subarray(228, 236) };
  // What is to be zeros must be: only a later version may give it a meaning, and that has another number.
  const canonical = encodeHeader(header, header.encrypted ? keying : undefined, format);
  if (!canonical.subarray(10, 252).equals(bytes.subarray(10, 252))) throw damaged(path, 'header');
  return { header, keying };
}

/** The frame header's bytes without its CRC, which {@link finishFrameHeader} adds once the stored bytes are there. */
export function encodeFrameHeader(frame: FrameHeader): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_SIZE);
  bytes.writeUInt32BE(FRAME_MAGIC, 0);
  bytes.writeUInt32BE(frame.storedBytes, 4);
  bytes.writeUInt32BE(frame.plainBytes, 8);
  bytes.writeUInt32BE(frame.records, 12);
  writeUInt64(bytes, frame.first, 16);
  bytes.writeUInt32BE((frame.number | (frame.compressed ? 0 : UNCOMPRESSED)) >>> 0, 24);
  return bytes;
}

export function finishFrameHeader(bytes: Buffer, stored: readonly Buffer[]): void {
  bytes.writeUInt32BE(
    stored.reduce((crc, part) => crc32(part, crc), crc32(bytes.subarray(0, 28))),
    28,
  );
}

/**
 * `bytes`: the frame header and its stored bytes, as the table gives their length. `isChecked`: something else than their
 * checksum tells whether they are what they were. @throws SegmentRefused `DAMAGED`
 */
export function decodeFrameHeader(bytes: Buffer, path: string, isChecked = false): FrameHeader {
  const first = bytes.length < FRAME_HEADER_SIZE ? 0 : readUInt64(bytes, 16);
  if (
    first < 1 ||
    !Number.isSafeInteger(first) ||
    bytes.readUInt32BE(0) !== FRAME_MAGIC ||
    bytes.readUInt32BE(4) !== bytes.length - FRAME_HEADER_SIZE ||
    !(isChecked || frameChecksum(bytes) === bytes.readUInt32BE(28))
  ) {
    throw damaged(path, 'frame');
  }
  const number = bytes.readUInt32BE(24);
  return {
    storedBytes: bytes.readUInt32BE(4),
    plainBytes: bytes.readUInt32BE(8),
    records: bytes.readUInt32BE(12),
    first: lsn(first),
    number: number & ~UNCOMPRESSED,
    compressed: (number & UNCOMPRESSED) === 0,
  };
}

function frameChecksum(bytes: Buffer): number {
  return crc32(bytes.subarray(FRAME_HEADER_SIZE), crc32(bytes.subarray(0, 28)));
}

export function encodeTable(entries: readonly TableEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * TABLE_ENTRY_SIZE);
  entries.forEach((entry, index) => {
    const at = index * TABLE_ENTRY_SIZE;
    writeUInt64(bytes, entry.offset, at);
    writeUInt64(bytes, entry.first, at + 8);
    bytes.writeUInt32BE(entry.bytes, at + 16);
    bytes.writeUInt32BE(entry.records, at + 20);
  });
  return bytes;
}

export function decodeTable(bytes: Buffer): TableEntry[] {
  const entries: TableEntry[] = [];
  for (let at = 0; at < bytes.length; at += TABLE_ENTRY_SIZE) {
    entries.push({
      offset: readUInt64(bytes, at),
      first: readUInt64(bytes, at + 8) as Lsn,
      bytes: bytes.readUInt32BE(at + 16),
      records: bytes.readUInt32BE(at + 20),
    });
  }
  return entries;
}

/** Without tag and CRC, which {@link finishTrailer} adds. */
export function encodeTrailer(totals: SegmentTotals, tableOffset: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_SIZE);
  TRAILER_MAGIC.copy(bytes);
  bytes.writeUInt32BE(totals.frames, 8);
  writeUInt64(bytes, totals.records, 16);
  writeUInt64(bytes, totals.dataBytes, 24);
  writeUInt64(bytes, tableOffset, 32);
  writeUInt64(bytes, totals.fileBytes, 40);
  return bytes;
}

export function finishTrailer(bytes: Buffer, table: Buffer, tag: Buffer | undefined): void {
  tag?.copy(bytes, TRAILER_TAG_AT);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 124), crc32(table)), 124);
}

/** @throws SegmentRefused `TRUNCATED` when the file does not end as a segment does */
export function decodeTrailer(
  bytes: Buffer,
  fileBytes: number,
  path: string,
): { totals: SegmentTotals; tableOffset: number } {
  const totals = {
    frames: bytes.length < TRAILER_SIZE ? 0 : bytes.readUInt32BE(8),
    records: readUInt64(bytes, 16),
    dataBytes: readUInt64(bytes, 24),
    fileBytes: readUInt64(bytes, 40),
  };
  if (!bytes.subarray(0, 8).equals(TRAILER_MAGIC) || totals.fileBytes !== fileBytes) {
    throw new SegmentRefused(
      'TRUNCATED',
      `${path} (${fileBytes} bytes) does not end as a segment does: its end is missing`,
      'it will be asked for again',
    );
  }
  const tableOffset = readUInt64(bytes, 32);
  if (
    totals.frames > FRAMES_MAX ||
    tableOffset + totals.frames * TABLE_ENTRY_SIZE + TRAILER_SIZE !== fileBytes ||
    ![totals.records, totals.dataBytes].every(Number.isSafeInteger) ||
    !encodeTrailer(totals, tableOffset).subarray(0, TRAILER_TAG_AT).equals(bytes.subarray(0, TRAILER_TAG_AT))
  ) {
    throw damaged(path, 'trailer');
  }
  return { totals, tableOffset };
}

/** @throws SegmentRefused `DAMAGED` */
export function checkTrailer(bytes: Buffer, table: Buffer, path: string): void {
  if (crc32(bytes.subarray(0, 124), crc32(table)) !== bytes.readUInt32BE(124)) throw damaged(path, 'trailer');
}

export function damaged(path: string, part: string): SegmentRefused {
  return new SegmentRefused(
    'DAMAGED',
    `${path}: the checksum of its ${part} does not hold`,
    'it will be asked for again; if this happens often, look at the disks and the network in between',
  );
}
