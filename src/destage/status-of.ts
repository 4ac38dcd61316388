import type { DestinationStatus, RefusedSegment } from '../journal/status.ts';
import type { Waits } from '../platform/waits.ts';
import type { DestinationFacts } from './destination-back.ts';
import type { InboxPlan } from './inbox-plan.ts';

export interface StatusFacts {
  readonly facts: DestinationFacts;
  readonly sequence: number;
  /** Wall clock, milliseconds since 1970. */
  readonly now: number;
  readonly missing: InboxPlan['missing'];
  readonly refused: readonly RefusedSegment[];
  readonly full: boolean;
  readonly waits: Waits;
}

/** What the source is told. Of several waits the longest, cut to what a status file takes. */
export function statusOf({ facts, waits, ...told }: StatusFacts): DestinationStatus {
  const { state, received } = facts;
  const [wait] = waits.list();
  return {
    version: 1,
    groupId: state.groupId,
    sequence: told.sequence,
    writtenAt: Math.round(told.now),
    role: 'destination',
    epoch: state.epoch,
    received,
    applied: state.applied,
    appliedTime: state.appliedTime,
    missing: told.missing,
    refused: told.refused,
    full: told.full,
    consistent: state.consistent,
    waiting: wait === undefined ? undefined : { ...wait, message: wait.message.slice(0, 1000) },
  };
}
