/**
 * The open segment: raw records behind a 64-byte header, on the source's own disk, plaintext like the volumes.
 *
 *      0   8  magic "BFRAW\r\n\x1a"
 *      8   2  version: 3; 2 does not say what was durable, 1 has no verify records either
 *     10   2  zeros
 *     12   4  epoch
 *     16  16  epoch id
 *     32   8  first LSN
 *     40   4  record seed, random for each use of the file
 *     44   8  the source's clock before the first record, milliseconds since 1970
 *     52   8  the last LSN that was durable when the file was begun
 *     60   4  CRC-32 of bytes 0..60
 *     64      records (record.ts)
 *
 * The file is as long as it can get from the start, and is used again when what it held is shipped and destaged: writing
 * to blocks that are there is 1.3 to 6 times as fast as growing a file. What an older use left behind the end is never a
 * record of this one, because its CRCs start from another seed (I4).
 */
import { crc32 } from '@node-rs/crc32';
import { basename } from 'node:path';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { epoch, lsn, type EpochIdentity, type Lsn } from './ids.ts';
import { parseOpenName } from './names.ts';
import {
  decodeRecord,
  payloadLength,
  readUInt64,
  RECORD_HEADER_SIZE,
  writeUInt64,
  type JournalRecord,
} from './record.ts';

export const RAW_HEADER_SIZE = 64;
const MAGIC = Buffer.from('BFRAW\r\n\x1a', 'latin1');
const VERSION = 3;
const VERSIONS_READ: readonly number[] = [1, 2, VERSION];

export interface RawHeader {
  readonly epoch: EpochIdentity;
  readonly first: Lsn;
  readonly seed: number;
  readonly clock: number;
  /** The last LSN that was durable when the file was begun. */
  readonly durable: Lsn;
}

/** A raw segment that is no longer appended to. */
export interface ClosedRaw {
  readonly path: string;
  readonly header: RawHeader;
  readonly last: Lsn;
  /** Where its records end, bytes. */
  readonly end: number;
}

export function encodeRawHeader(header: RawHeader): Buffer {
  const bytes = Buffer.alloc(RAW_HEADER_SIZE);
  MAGIC.copy(bytes);
  bytes.writeUInt16BE(VERSION, 8);
  bytes.writeUInt32BE(header.epoch.number, 12);
  bytes.write(header.epoch.id, 16, 16, 'hex');
  writeUInt64(bytes, header.first, 32);
  bytes.writeUInt32BE(header.seed, 40);
  writeUInt64(bytes, header.clock, 44);
  writeUInt64(bytes, header.durable, 52);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Undefined when these are not the bytes of a header that was completely written. */
export function decodeRawHeader(bytes: Buffer): RawHeader | undefined {
  if (bytes.length < RAW_HEADER_SIZE || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32BE(60)) return undefined;
  if (!VERSIONS_READ.includes(bytes.readUInt16BE(8))) return undefined;
  const [first, clock, durable] = [readUInt64(bytes, 32), readUInt64(bytes, 44), readUInt64(bytes, 52)];
  if (![first, clock, durable].every(Number.isSafeInteger)) return undefined;
  return {
    epoch: { number: epoch(bytes.readUInt32BE(12)), id: bytes.toString('hex', 16, 32) },
    first: lsn(first),
    seed: bytes.readUInt32BE(40),
    clock,
    durable: lsn(durable),
  };
}

/**
 * Memory for one loaded raw segment at a time, used again: what garbage of this size costs is paid in resident memory. Several
 * groups of a thread may share it.
 */
export class RawMemory {
  #bytes = new ArrayBuffer(0);
  #taken = 0;

  /** Counts up with every `take`. */
  get taken(): number {
    return this.#taken;
  }

  /** What was taken before is no longer valid. */
  take(size: number): Buffer {
    this.#taken += 1;
    if (this.#bytes.byteLength < size) this.#bytes = new ArrayBuffer(size);
    return Buffer.from(this.#bytes, 0, size);
  }
}

/** Where a record of a loaded raw segment has its payload in the file: the file was read into one buffer of its own. */
export function loadedPayloadPosition(record: JournalRecord): number {
  return record.payload.byteOffset;
}

/** The whole of a raw segment in memory, as far as its records are intact and follow each other. */
export interface LoadedRaw {
  readonly header: RawHeader;
  readonly records: readonly JournalRecord[];
  /** Where the records end, bytes. */
  readonly end: number;
}

export interface RawLimits {
  /** Bytes that a raw segment may have; a longer file is refused before memory is taken. */
  readonly sizeMax: number;
  /** The last record that is wanted. */
  readonly limit: Lsn;
  /** Where it ends, bytes, when that is known: nothing behind that is read. */
  readonly end?: number;
}

/**
 * Reads a raw segment and its records up to `limit` (inclusive), or to the first that is not there, not intact or not
 * the next. Undefined when the file's header never reached the medium: nothing in it was acknowledged as durable.
 * `memory`: read into; the records are views of it.
 */
export function loadRaw(
  files: Files,
  path: string,
  { sizeMax, limit, end }: RawLimits,
  memory: RawMemory,
): LoadedRaw | undefined {
  const file = files.open(path, 'read');
  try {
    const size = file.size();
    if (size > sizeMax) throw tooLong(path, size, sizeMax);
    const bytes = memory.take(Math.min(size, end ?? size));
    const count = file.read(bytes, 0);
    const header = decodeRawHeader(bytes.subarray(0, count));
    if (header === undefined || parseOpenName(basename(path))?.first !== header.first) return undefined;
    const records: JournalRecord[] = [];
    let at = RAW_HEADER_SIZE;
    for (let expected = header.first; expected <= limit; expected = lsn(expected + 1)) {
      const record = decodeRecord(bytes.subarray(0, count), at, header.seed);
      if (record?.lsn !== expected) break;
      records.push(record);
      at += RECORD_HEADER_SIZE + payloadLength(record);
    }
    return { header, records, end: at };
  } finally {
    file.close();
  }
}

function tooLong(path: string, size: number, sizeMax: number): OperatorError {
  return new OperatorError(
    'RAW_SEGMENT_TOO_LONG',
    `${path} has ${size} bytes; an open segment has ${sizeMax} at most`,
    {
      remedy: 'it is not ours or it is damaged; move it away and see where it came from',
    },
  );
}
