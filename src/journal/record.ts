/**
 * A journal record: a 28-byte header and a payload.
 *
 *     offset size  field   (big endian, as the NBD request whose header it may overwrite in place)
 *     0      4     CRC-32 of bytes 4..28 and the payload, started from the segment's record seed
 *     4      1     kind
 *     5      1     volume index (0 for records of the whole group)
 *     6      2     flags
 *     8      8     LSN
 *     16     8     byte offset in the volume; of `clock` and `marker`, milliseconds since 1970; of `resize`, the volume's bytes
 *     24     4     length: of `zero` the bytes zeroed, of all others the payload's bytes
 *
 * The CRC covers the LSN, and through the seed, which every raw segment draws at random and a sealed segment carries
 * on, its epoch and its segment: what an older use left in a recycled file is never taken for a record (I4).
 *
 * A sealed segment may hold several records with one LSN: pieces of a record that was split around its zero runs.
 */
import { crc32 } from '@node-rs/crc32';
import { lsn, type Lsn, type VolumeIndex } from './ids.ts';

export const RECORD_HEADER_SIZE = 28;

/** Payload bytes of one record at most. A longer host write becomes several records. */
export const RECORD_PAYLOAD_MAX = 256 * 1024;

export const RecordKind = {
  /** Payload: the bytes written. */
  write: 1,
  /** No payload: the range reads as zeros from here on. */
  zero: 2,
  /** The wall clock, put before the first record of each {@link CLOCK_GRANULARITY_MS}. */
  clock: 3,
  /** Payload: JSON of a {@link MarkerPayload}. Always the last record of its segment. */
  marker: 4,
  /** Payload: JSON of an {@link AttachPayload}: all the group's volumes from here on. */
  attach: 5,
  /** The volumes are being brought over from here on: no recovery point until `init-end`. Payload: see copy-point.ts. */
  initBegin: 6,
  /** From here on the volumes are consistent: at every record, or as of the copy's point. */
  initEnd: 7,
  /** What a range holds at this very record, undestaged writes included. Payload: see verify.ts. */
  verify: 8,
  /** The volume has `offset` bytes from here on, more than before. No payload. */
  resize: 9,
  /** From here on its destination is to be the source, as soon as it holds a whole copy; or, with a null epoch, it is called off. Payload: see handover.ts. Always the last record of its segment. */
  handover: 10,
  /** What pieces of a range hold at this very record: the destination says which of them it holds otherwise. Payload: see compare.ts. */
  compare: 11,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export const RecordFlag = {
  /** A copy of what the source's own volume holds: the source does not write it again. */
  fromVolume: 1,
  /** Of `zero`: keep the blocks allocated (NBD_CMD_FLAG_NO_HOLE). */
  keepAllocated: 2,
  /** Beside `fromVolume`: what the volume held at the point that the copy is as of, which may be older than what is in it. */
  fromPoint: 4,
} as const;

/** A clock record at least this often while there is anything to record. */
export const CLOCK_GRANULARITY_MS = 100;

export interface RecordHeader {
  readonly kind: RecordKind;
  readonly flags: number;
  readonly volume: VolumeIndex;
  readonly lsn: Lsn;
  /** Bytes; of `clock` and `marker` milliseconds since 1970. */
  readonly offset: number;
  readonly length: number;
}

export interface JournalRecord extends RecordHeader {
  /** A view into the buffer that was decoded, not a copy; empty for kinds without one. */
  readonly payload: Buffer;
}

export interface MarkerPayload {
  /** 32 hexadecimal digits, the same for ever for this marker. */
  readonly id: string;
  readonly kind: 'snapshot' | 'custom';
  readonly name: string;
}

export interface AttachPayload {
  readonly volumes: readonly { readonly index: number; readonly name: string; readonly size: number }[];
}

const HIGH = 0x1_0000_0000;
const KIND_MAX = RecordKind.compare;

export function payloadLength(header: Pick<RecordHeader, 'kind' | 'length'>): number {
  return header.kind === RecordKind.zero || header.kind === RecordKind.clock ? 0 : header.length;
}

/**
 * Writes a record's header at `at`, in front of the payload that already lies behind it in `buffer`, CRC included.
 */
export function encodeRecordInPlace(buffer: Buffer, at: number, header: RecordHeader, seed: number): void {
  buffer.writeUInt8(header.kind, at + 4);
  buffer.writeUInt8(header.volume, at + 5);
  buffer.writeUInt16BE(header.flags, at + 6);
  writeUInt64(buffer, header.lsn, at + 8);
  writeUInt64(buffer, header.offset, at + 16);
  buffer.writeUInt32BE(header.length, at + 24);
  const end = at + RECORD_HEADER_SIZE + payloadLength(header);
  buffer.writeUInt32BE(crc32(buffer.subarray(at + 4, end), seed), at);
}

/** A record in a buffer of its own. */
export function encodeRecord(
  header: Omit<RecordHeader, 'length'>,
  payload: Uint8Array,
  seed: number,
): Buffer {
  const buffer = Buffer.allocUnsafe(RECORD_HEADER_SIZE + payload.length);
  buffer.set(payload, RECORD_HEADER_SIZE);
  encodeRecordInPlace(buffer, 0, { ...header, length: payload.length }, seed);
  return buffer;
}

/**
 * The record at `at`, or undefined if none that is whole and intact is there: the end of a raw segment, or damage.
 * Lengths are checked before they are used.
 */
export function decodeRecord(buffer: Buffer, at: number, seed: number): JournalRecord | undefined {
  const record = decodeUnchecked(buffer, at);
  if (record === undefined) return undefined;
  const end = at + RECORD_HEADER_SIZE + record.payload.length;
  if (crc32(buffer.subarray(at + 4, end), seed) !== buffer.readUInt32BE(at)) return undefined;
  return record;
}

/** The same of bytes that are known to be what they were: its checksum is not looked at. */
export function decodeUnchecked(buffer: Buffer, at: number): JournalRecord | undefined {
  if (at + RECORD_HEADER_SIZE > buffer.length) return undefined;
  const kind = buffer.readUInt8(at + 4);
  if (kind < 1 || kind > KIND_MAX) return undefined;
  const length = buffer.readUInt32BE(at + 24);
  const payloadBytes = payloadLength({ kind: kind as RecordKind, length });
  const end = at + RECORD_HEADER_SIZE + payloadBytes;
  if (payloadBytes > RECORD_PAYLOAD_MAX || end > buffer.length) return undefined;
  const [number, offset] = [readUInt64(buffer, at + 8), readUInt64(buffer, at + 16)];
  if (!Number.isSafeInteger(number) || !Number.isSafeInteger(offset)) return undefined;
  return {
    kind: kind as RecordKind,
    volume: buffer.readUInt8(at + 5) as VolumeIndex,
    flags: buffer.readUInt16BE(at + 6),
    lsn: lsn(number),
    offset,
    length,
    payload: buffer.subarray(at + RECORD_HEADER_SIZE, end),
  };
}

/** A decoded record's bytes, header and payload, where they lie. */
export function encodedBytes(record: JournalRecord): Buffer {
  const { buffer, byteOffset, length } = record.payload;
  return Buffer.from(buffer, byteOffset - RECORD_HEADER_SIZE, RECORD_HEADER_SIZE + length);
}

export function writeUInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / HIGH);
  buffer.writeUInt32BE(high, at);
  buffer.writeUInt32BE(value - high * HIGH, at + 4);
}

/** Values past 2^53 lose their low bits; callers that must refuse them compare with `Number.MAX_SAFE_INTEGER`. */
export function readUInt64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * HIGH + buffer.readUInt32BE(at + 4);
}
