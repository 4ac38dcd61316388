/** Compares what a volume holds with a verify record. */
import type { JournalRecord } from '../journal/record.ts';
import { VERIFY_DATA_MAX, verifyDigest, type VerifyPayload } from '../journal/verify.ts';
import type { VolumeContent, VolumeSet } from '../volume/volume-set.ts';

export interface Comparison {
  /** Bytes; none where all is as it should be. */
  readonly differing: readonly { readonly offset: number; readonly length: number }[];
  /** What was read came from the medium, as far as it was there already. */
  readonly fromMedium: boolean;
}

/**
 * Undefined when the volume has no such range. What was written a moment ago may not have reached the medium: of that the
 * system's memory is compared.
 * @throws OperatorError `VOLUME_OFFLINE`, `VOLUME_UNREADABLE`
 */
export function compare(
  volumes: VolumeSet,
  { volume, offset }: Pick<JournalRecord, 'volume' | 'offset'>,
  { length, digest }: VerifyPayload,
): Comparison | undefined {
  if (offset + length > volumes.sizeOf(volume)) return undefined;
  return volumes.look(volume, (content) => {
    const fromMedium = content.forgetCached(offset, length);
    if (digest === undefined) return { differing: notZero(content, offset, offset + length), fromMedium };
    const isSame = verifyDigest(contentOf(content, offset, length)).equals(digest);
    return { differing: isSame ? [] : [{ offset, length }], fromMedium };
  });
}

function contentOf(content: VolumeContent, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  content.read(bytes, offset);
  return bytes;
}

/** Pieces that do not read as zeros. Holes are not read. */
function notZero(content: VolumeContent, start: number, end: number): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = [];
  for (let at = start; at < end;) {
    const data = content.nextData(at);
    if (data === undefined || data.start >= end) break;
    const piece = Math.max(start, Math.floor(data.start / VERIFY_DATA_MAX) * VERIFY_DATA_MAX);
    const length = Math.min(end, (Math.floor(piece / VERIFY_DATA_MAX) + 1) * VERIFY_DATA_MAX) - piece;
    if (contentOf(content, piece, length).some((byte) => byte !== 0)) found.push({ offset: piece, length });
    at = piece + length;
  }
  return found;
}
