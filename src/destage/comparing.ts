/** Compares what a volume holds with a verify or compare record. What cannot be read counts as something else: it is sent again. */
import type { ComparePayload } from '../journal/compare.ts';
import type { JournalRecord } from '../journal/record.ts';
import { VERIFY_DATA_MAX, verifyDigest, type VerifyPayload } from '../journal/verify.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import type { VolumeContent, VolumeSet } from '../volume/volume-set.ts';

export interface Comparison {
  /** Bytes; none where all is as it should be. */
  readonly differing: readonly Range[];
  /** What was read came from the medium, as far as it was there already. */
  readonly fromMedium: boolean;
  /** Why a part could not be read; undefined: all of it could. */
  readonly unreadable: string | undefined;
}

export interface ComparedPieces extends Pick<Comparison, 'unreadable'> {
  /** Of each piece, whether it is something else here. */
  readonly differs: readonly boolean[];
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

type Place = Pick<JournalRecord, 'volume' | 'offset'>;

/** Reads one volume, piece after piece; an error of one is noted, and stands for what differs. */
class Reading {
  readonly #volumes: VolumeSet;
  readonly #volume: JournalRecord['volume'];
  unreadable: string | undefined;

  constructor(volumes: VolumeSet, volume: JournalRecord['volume']) {
    this.#volumes = volumes;
    this.#volume = volume;
  }

  /** `look`'s answer, or `otherwise` where its part cannot be read. @throws OperatorError `VOLUME_OFFLINE` */
  look<R>(otherwise: R, look: (content: VolumeContent) => R): R {
    try {
      return this.#volumes.look(this.#volume, look);
    } catch (error) {
      if (errorCode(error) !== 'VOLUME_UNREADABLE') throw error;
      this.unreadable ??= describeError(error);
      return otherwise;
    }
  }

  differs({ offset, length }: Range, isRight: (bytes: Buffer) => boolean): boolean {
    return this.look(true, (content) => {
      const bytes = Buffer.allocUnsafe(length);
      content.read(bytes, offset);
      return !isRight(bytes);
    });
  }
}

/**
 * Undefined when the volume has no such range. What was written a moment ago may not have reached the medium: of that the
 * system's memory is compared.
 * @throws OperatorError `VOLUME_OFFLINE`
 */
export function compare(
  volumes: VolumeSet,
  { volume, offset }: Place,
  { length, digest }: VerifyPayload,
): Comparison | undefined {
  if (offset + length > volumes.sizeOf(volume)) return undefined;
  const reading = new Reading(volumes, volume);
  const fromMedium = reading.look(true, (content) => content.forgetCached(offset, length));
  const differing =
    digest === undefined
      ? notZero(reading, offset, offset + length)
      : [{ offset, length }].filter((range) => reading.differs(range, isOf(digest)));
  return { differing, fromMedium, unreadable: reading.unreadable };
}

/** @throws OperatorError `VOLUME_OFFLINE` */
export function comparePieces(
  volumes: VolumeSet,
  { volume, offset }: Place,
  { length, pieceSize, digests }: ComparePayload,
): ComparedPieces {
  const reading = new Reading(volumes, volume);
  const differs = digests.map((digest, i) => {
    const start = offset + i * pieceSize;
    const end = Math.min(start + pieceSize, offset + length);
    const range = { offset: start, length: end - start };
    return end > volumes.sizeOf(volume) || reading.differs(range, isOf(digest));
  });
  return { differs, unreadable: reading.unreadable };
}

function isOf(digest: Buffer): (bytes: Buffer) => boolean {
  return (bytes) => verifyDigest(bytes).equals(digest);
}

/** Pieces that do not read as zeros. Holes are not read. */
function notZero(reading: Reading, start: number, end: number): Range[] {
  const found: Range[] = [];
  for (let at = start; at < end;) {
    const from = at;
    const data = reading.look<number | undefined>(from, (content) => content.nextData(from)?.start);
    if (data === undefined || data >= end) break;
    const offset = Math.max(start, Math.floor(data / VERIFY_DATA_MAX) * VERIFY_DATA_MAX);
    const length = Math.min(end, (Math.floor(offset / VERIFY_DATA_MAX) + 1) * VERIFY_DATA_MAX) - offset;
    const range = { offset, length };
    if (reading.differs(range, (bytes) => bytes.every((byte) => byte === 0))) found.push(range);
    at = offset + length;
  }
  return found;
}
