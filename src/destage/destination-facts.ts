/** What a destination's working half tells its front. */
import type { EpochIdentity, Lsn } from '../journal/ids.ts';
import type { RefusedSegment } from '../journal/status.ts';
import type { WindowFacts } from './retained-window.ts';
import type { SeedTally } from './seed-import.ts';
import type { SeedJobReport } from './seed-job.ts';
import type { DestinationState } from './state-file.ts';

/** What the front needs to know after each step. */
export interface DestinationFacts {
  readonly state: DestinationState;
  readonly received: Lsn;
  /** Bytes of received segments that are not applied. */
  readonly journalBytes: number;
  readonly journalSegments: number;
  readonly snapshots: number;
  /** Why a part of a volume could not be read when it was to be compared, since the start; undefined: all could. */
  readonly unreadable: string | undefined;
  readonly window: WindowFacts;
  /** Received before, damaged on this side's disk since, and not received again. */
  readonly damaged: readonly RefusedSegment[];
  /** Of the state's seed; and what was ordered last. */
  readonly seed: SeedTally | undefined;
  readonly seedJob: SeedJobReport | undefined;
}

/** Of segments in order: how many were taken; or why the first never will be. */
export interface ReceiveResult {
  readonly taken: number;
  readonly refused: Refusal | undefined;
  readonly facts: DestinationFacts;
}

export interface Refusal {
  readonly code: string;
  readonly reason: string;
}

/**
 * The epoch that this side is the source of from now on; undefined: it is none, a program still runs, what follows may call it
 * off, or a copy is to come first.
 */
export function handoverOf({ state, journalSegments }: DestinationFacts): EpochIdentity | undefined {
  const { handover, consistent, pending, background } = state;
  const isDone = journalSegments === 0 && pending === undefined && background.length === 0;
  return isDone && consistent ? handover : undefined;
}

/** What arrived, or what a history that was left has to do with it. */
export function hasToApply({ state, journalSegments }: DestinationFacts): boolean {
  return journalSegments > 0 || state.divergence !== undefined;
}
