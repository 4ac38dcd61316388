/** What came of comparing a destination's volumes with its source's verify records: in its state file and its status file. */
import { z } from 'zod';
import { shortList } from '../platform/invalid.ts';
import { VOLUMES_PER_GROUP_MAX, type Lsn, type VolumeIndex } from './ids.ts';

/** Ranges that differ which are remembered one by one. */
export const DIFFERING_MAX = 100;

/** Where a volume does not hold what the source's does, since the first verify record that told. Bytes. */
export interface DifferingRange {
  readonly volume: VolumeIndex;
  readonly offset: number;
  readonly length: number;
  readonly lsn: Lsn;
}

export interface Verification {
  /** Number of the newest pass that a verify record was of; 0 before any. */
  readonly pass: number;
  /** Of this pass: bytes of volume that were compared, and those that could not be. */
  readonly comparedBytes: number;
  readonly skippedBytes: number;
  /** Of this pass: ranges that differed. */
  readonly differed: number;
  /** Ranges that differ as far as is known, the first {@link DIFFERING_MAX} of them. */
  readonly differing: readonly DifferingRange[];
  /** Ranges that were found to differ, and those of them that were found to be right later, ever. */
  readonly found: number;
  readonly mended: number;
  /** Of this pass: nothing was read out of the system's memory where the medium should have been read. */
  readonly fromMedium: boolean;
}

export const VERIFICATION_START: Verification = {
  pass: 0,
  comparedBytes: 0,
  skippedBytes: 0,
  differed: 0,
  differing: [],
  found: 0,
  mended: 0,
  fromMedium: true,
};

const count = z.number().int().nonnegative();

const differingSchema = z.strictObject({
  volume: count.max(VOLUMES_PER_GROUP_MAX - 1).transform((value) => value as VolumeIndex),
  offset: count,
  length: count,
  lsn: count.transform((value) => value as Lsn),
});

export const verificationSchema = z.strictObject({
  pass: count,
  comparedBytes: count,
  skippedBytes: count,
  differed: count,
  differing: shortList(differingSchema, DIFFERING_MAX),
  found: count,
  mended: count,
  fromMedium: z.boolean(),
});
