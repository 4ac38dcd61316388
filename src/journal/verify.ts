/**
 * What a verify record says of its volume's range that begins at its offset: the payload, big endian.
 *
 *      0   8  bytes of the range, whole sectors
 *      8   8  number of the pass that it belongs to; 0: of none, a range that was mended is looked at again
 *     16  16  the first 16 bytes of the range's SHA-256; not there: the range reads as zeros
 */
import { createHash } from 'node:crypto';
import { readUInt64, writeUInt64, type JournalRecord } from './record.ts';

/** Bytes that one digest covers at most: both sides read them in one step. */
export const VERIFY_DATA_MAX = 1024 * 1024;
/** Bytes that one record without a digest covers at most: where nothing was ever written there is nothing to read. */
export const VERIFY_ZERO_MAX = 256 * 1024 * 1024;
/** Of {@link VerifyPayload}, bytes. */
export const VERIFY_DIGEST_SIZE = 16;

const SECTOR = 512;
const FIXED_SIZE = 16;

export interface VerifyPayload {
  /** Bytes. */
  readonly length: number;
  readonly pass: number;
  /** Undefined: the range reads as zeros. */
  readonly digest: Buffer | undefined;
}

export function verifyDigest(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, VERIFY_DIGEST_SIZE);
}

export function encodeVerify({ length, pass, digest }: VerifyPayload): Buffer {
  const bytes = Buffer.alloc(FIXED_SIZE + (digest?.length ?? 0));
  writeUInt64(bytes, length, 0);
  writeUInt64(bytes, pass, 8);
  digest?.copy(bytes, FIXED_SIZE);
  return bytes;
}

/** Undefined when it makes no sense: it is passed over. */
export function parseVerify({ payload }: Pick<JournalRecord, 'payload'>): VerifyPayload | undefined {
  if (payload.length !== FIXED_SIZE && payload.length !== FIXED_SIZE + VERIFY_DIGEST_SIZE) return undefined;
  const digest = payload.length === FIXED_SIZE ? undefined : payload.subarray(FIXED_SIZE);
  const [length, pass] = [readUInt64(payload, 0), readUInt64(payload, 8)];
  const most = digest === undefined ? VERIFY_ZERO_MAX : VERIFY_DATA_MAX;
  if (length === 0 || length % SECTOR !== 0 || length > most || !Number.isSafeInteger(pass)) return undefined;
  return { length, pass, digest };
}
