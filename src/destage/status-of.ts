import type { Resync } from '../journal/status.ts';
import type { DestinationFacts } from './destination-facts.ts';
import type { StatusFacts } from './status-publisher.ts';

/** What a destination's status file says of these facts; `resync`: what it may ask for. */
export function statusOf(
  { state, received }: DestinationFacts,
  resync: Resync | undefined,
  now: Pick<StatusFacts, 'missing' | 'refused' | 'full' | 'waiting'>,
): StatusFacts {
  const { groupId, epoch, applied, appliedTime, consistent, verification, comparison } = state;
  const asks = state.resync?.begun === false && state.resync.id === resync?.id;
  return {
    groupId,
    epoch,
    received,
    applied,
    appliedTime,
    consistent,
    ...now,
    ...(asks ? { resync } : {}),
    ...(verification.pass + verification.found > 0 ? { verification } : {}),
    ...(comparison === undefined ? {} : { comparison }),
  };
}
