/** What a sealed segment says of itself, and how it is read. The byte format is in `format.ts`. */
import { OperatorError } from '../../platform/errors.ts';
import type { EpochIdentity, GroupIdentity, Lsn } from '../ids.ts';
import type { JournalRecord } from '../record.ts';

export interface SegmentHeader {
  readonly group: GroupIdentity;
  readonly epoch: EpochIdentity;
  readonly first: Lsn;
  readonly last: Lsn;
  /** The journal's running digest before the first and after the last record: 64 hexadecimal digits (I4). */
  readonly digestBefore: string;
  readonly digestAfter: string;
  /** The source's clock at the first and at the last record, milliseconds since 1970. */
  readonly firstTime: number;
  readonly lastTime: number;
  readonly encrypted: boolean;
  readonly compressed: boolean;
  /** Data that was overwritten inside the segment is left out: it may be applied as a whole only. */
  readonly overwrittenDropped: boolean;
  /** Where the record CRCs start from. */
  readonly recordSeed: number;
}

export interface SegmentTotals {
  readonly frames: number;
  readonly records: number;
  /** Bytes of volume data that its records hold, before compression. */
  readonly dataBytes: number;
  /** Of the file. */
  readonly fileBytes: number;
}

/**
 * `whole`: every checksum. `rot`: of a file that has passed all of these before, each byte once, by its frame's tag where there
 * is a key, and by its frame's checksum where there is none.
 */
export type SegmentCheck = 'whole' | 'rot';

/** Memory of so many bytes, for a frame that is decoded. */
export type FrameMemory = (bytes: number) => Buffer;

/** A sealed segment, open for reading. Everything that it hands out has passed its checks. */
export interface SegmentReader {
  readonly header: SegmentHeader;
  readonly totals: SegmentTotals;
  /**
   * The records, frame by frame in LSN order; a frame is at most {@link FRAME_SIZE_MAX} bytes, and its records' payloads
   * are views of memory of its own, or of what `memory` gives. Frames can be read again from the start.
   * @throws SegmentRefused `DAMAGED`, `FORGED`
   */
  frames(check?: SegmentCheck, memory?: FrameMemory): Iterable<readonly JournalRecord[]>;
  /** A frame's records as bytes, header and payload each, one behind the other. @throws SegmentRefused */
  plain(frame: number): Buffer;
  /** Reads everything once. @throws SegmentRefused */
  verify(): void;
  close(): void;
}

/** Plain bytes of a frame at most. */
export const FRAME_SIZE_MAX = 4 * 1024 * 1024;

/**
 * `NOT_A_SEGMENT` no such file format or version; `DAMAGED` a checksum or length does not hold; `TRUNCATED` the end is
 * missing; `WRONG_KEY` sealed with another key, or with one where none is configured, or with none where one is;
 * `FORGED` the authentication tag does not hold though the checksums do; `FOREIGN` another group, another range than its
 * name says, or another epoch; `DOES_NOT_JOIN` its digest does not continue the journal's (I4).
 */
export type RefusalCode =
  'NOT_A_SEGMENT' | 'DAMAGED' | 'TRUNCATED' | 'WRONG_KEY' | 'FORGED' | 'FOREIGN' | 'DOES_NOT_JOIN';

/** A segment fails a check: set it aside, never apply it, ask for it again (I4). */
export class SegmentRefused extends OperatorError {
  declare readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, remedy: string) {
    super(code, message, { remedy });
    this.name = 'SegmentRefused';
  }
}
