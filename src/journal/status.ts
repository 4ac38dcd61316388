/**
 * The status file: the only way back from a destination to its source (`status/destination.json`).
 * The source frees what `received` covers, sends again what `missing` and `refused` name, and shows the rest. A side that took
 * over says so in the same place: whoever still is the source of an older epoch hears of it there (I11).
 */
import type { ForkPoint } from './fork.ts';
import type { AttachedVolume, EpochIdentity, Lsn } from './ids.ts';
import type { CompareAnswer } from './compare-answer.ts';
import type { SegmentRange } from './names.ts';
import type { Verification } from './verification.ts';

export interface DestinationStatus {
  /** Of this layout. */
  readonly version: 3;
  /** Group id; empty until the first segment told it. */
  readonly groupId: string;
  /**
   * Counts up with every status written, across restarts: an older one that is put back is told by it. It begins at the
   * destination's clock in microseconds since 1970 where that is ahead, so that a destination restored from a backup does
   * not repeat the numbers of the time after it.
   */
  readonly sequence: number;
  /** The destination's wall clock, milliseconds since 1970. */
  readonly writtenAt: number;
  readonly role: 'destination';
  /** Undefined until the first segment was received. */
  readonly epoch: EpochIdentity | undefined;
  /** Every record up to here is durable at the destination, segments checked and in its journal. */
  readonly received: Lsn;
  /** Every record up to here is durable in the volumes. */
  readonly applied: Lsn;
  /** The source's clock at `applied` (its newest clock record), milliseconds since 1970; 0 before any. */
  readonly appliedTime: number;
  /** Ranges between what was received and what arrived early. At most 1,000. */
  readonly missing: readonly { readonly first: Lsn; readonly last: Lsn }[];
  /** Segments set aside, with why. At most 100, the newest; an entry goes when its range is received. */
  readonly refused: readonly RefusedSegment[];
  /** The file system or quota is full: do not send until this is false. */
  readonly full: boolean;
  /** False from `init-begin` to `init-end`, and before the first. */
  readonly consistent: boolean;
  /** What the destination waits for, in words, or undefined. */
  readonly waiting: DestinationWait | undefined;
  /** Undefined before the first verify record. */
  readonly verification?: Verification | undefined;
  /** What its volumes hold though this epoch's source never wrote it: the next copy is to bring it over. */
  readonly resync?: Resync | undefined;
  /** Of the newest window of compare records, while a copy compares. */
  readonly comparison?: CompareAnswer | undefined;
}

/**
 * Regions of volumes that a destination wants, because it was the source of another epoch and its hosts changed them; `anew`: all
 * that the source has, because of what it holds itself nothing counts.
 */
export interface Resync {
  /** 32 hexadecimal digits; the init-begin record of the copy that brings them names it. */
  readonly id: string;
  readonly volumes: readonly PackedRegions[];
  /** There may be much in them that is the same on both sides: only what differs is to be sent. */
  readonly compare?: true | undefined;
  /** All of all volumes, of which none is named: of what lies before that copy no record is missing, though it be kept no longer. */
  readonly anew?: true | undefined;
}

/** See packed-regions.ts. */
export interface PackedRegions {
  readonly index: number;
  /** Bytes. */
  readonly regionSize: number;
  readonly bits: string;
}

/** The word of a side that serves hosts since it took over. */
export interface ServingStatus extends Pick<
  DestinationStatus,
  'version' | 'groupId' | 'sequence' | 'writtenAt'
> {
  readonly role: 'source';
  readonly epoch: EpochIdentity;
  readonly fork: ForkPoint;
  /** When it took over, by its own clock. */
  readonly at: number;
  /** As it has them: one that lost its own gets all of these. */
  readonly volumes: readonly AttachedVolume[];
}

export type SiteStatus = DestinationStatus | ServingStatus;

export interface RefusedSegment extends SegmentRange {
  readonly reason: string;
  /** Milliseconds since 1970, the destination's clock. */
  readonly at: number;
}

export interface DestinationWait {
  /** One of `platform/wait-codes.ts`, of the destination's version. */
  readonly code: string;
  readonly message: string;
  readonly since: number;
  /** The destination's clock; undefined: not known. */
  readonly endsAt?: number | undefined;
}

/** Of a status file, sealed or not: all that one may hold, with every character of it escaped, has 900 KB. */
export const STATUS_SIZE_MAX = 960 * 1024;
