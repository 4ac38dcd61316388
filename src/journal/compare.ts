/**
 * What a compare record says of pieces of its volume that follow each other from its offset: the payload, big endian.
 *
 *      0   8  bytes of all of them, whole sectors
 *      8   8  LSN at which its window begins: what the source asks before it waits for the answers
 *     16   4  number of the first piece in the window
 *     20   4  bytes of a piece; the last one may be shorter
 *     24 16n  the first 16 bytes of each piece's SHA-256
 *
 * The destination says of each whether it holds something else at this very record (compare-answer.ts).
 */
import { lsn, type Lsn } from './ids.ts';
import { readUInt64, RecordKind, writeUInt64, type JournalRecord } from './record.ts';
import { parseVerify, VERIFY_DATA_MAX, VERIFY_DIGEST_SIZE } from './verify.ts';

/** Bytes that one record speaks of at most: both sides read them in one step. */
export const COMPARE_DATA_MAX = VERIFY_DATA_MAX;
/** Pieces of one window at most: with 64 KiB each the answers about 2 GiB lie in one status file. */
export const COMPARE_WINDOW_MAX = 32 * 1024;

const SECTOR = 512;
const FIXED_SIZE = 24;

export interface ComparePayload {
  /** Bytes. */
  readonly length: number;
  readonly window: Lsn;
  readonly first: number;
  /** Bytes. */
  readonly pieceSize: number;
  readonly digests: readonly Buffer[];
}

export function encodeCompare({ length, window, first, pieceSize, digests }: ComparePayload): Buffer {
  const bytes = Buffer.alloc(FIXED_SIZE);
  writeUInt64(bytes, length, 0);
  writeUInt64(bytes, window, 8);
  bytes.writeUInt32BE(first, 16);
  bytes.writeUInt32BE(pieceSize, 20);
  return Buffer.concat([bytes, ...digests]);
}

/** Undefined when it makes no sense: it is passed over. */
export function parseCompare({ payload }: Pick<JournalRecord, 'payload'>): ComparePayload | undefined {
  if (payload.length < FIXED_SIZE) return undefined;
  const [length, window] = [readUInt64(payload, 0), readUInt64(payload, 8)];
  const [first, pieceSize] = [payload.readUInt32BE(16), payload.readUInt32BE(20)];
  if ([length, pieceSize].some((bytes) => bytes === 0 || bytes % SECTOR !== 0 || bytes > COMPARE_DATA_MAX))
    return undefined;
  const count = Math.ceil(length / pieceSize);
  if (payload.length !== FIXED_SIZE + count * VERIFY_DIGEST_SIZE) return undefined;
  if (first + count > COMPARE_WINDOW_MAX || !Number.isSafeInteger(window)) return undefined;
  const digests = Array.from({ length: count }, (_, i) => {
    const at = FIXED_SIZE + i * VERIFY_DIGEST_SIZE;
    return payload.subarray(at, at + VERIFY_DIGEST_SIZE);
  });
  return { length, window: lsn(window), first, pieceSize, digests };
}

/** Bytes from its offset on that a verify or compare record speaks of; undefined where it is neither. 0: it makes no sense. */
export function toldLength(record: JournalRecord): number | undefined {
  if (record.kind === RecordKind.verify) return parseVerify(record)?.length ?? 0;
  return record.kind === RecordKind.compare ? (parseCompare(record)?.length ?? 0) : undefined;
}
