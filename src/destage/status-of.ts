import type { Resync } from '../journal/status.ts';
import type { DestinationFacts } from './destination-facts.ts';
import type { DestinationState } from './state-file.ts';
import type { StatusFacts } from './status-publisher.ts';

/** What a destination's status file says of these facts; `resync`: what it may ask for. */
export function statusOf(
  { state, received }: DestinationFacts,
  resync: Resync | undefined,
  now: Pick<StatusFacts, 'missing' | 'refused' | 'full' | 'waiting'>,
): StatusFacts {
  const { groupId, epoch, applied, appliedTime, consistent, verification, comparison } = state;
  const asked = askedOf(state, resync);
  return {
    groupId,
    epoch,
    received,
    applied,
    appliedTime,
    consistent,
    ...now,
    ...(asked === undefined ? {} : { resync: asked }),
    ...(verification.pass + verification.found > 0 ? { verification } : {}),
    ...(comparison === undefined ? {} : { comparison }),
  };
}

/** Of all that there is a destination may have come to ask by another id. */
function askedOf({ resync: awaited }: DestinationState, resync: Resync | undefined): Resync | undefined {
  if (awaited?.begun !== false || resync === undefined) return undefined;
  if (awaited.anew !== undefined) return { ...resync, id: awaited.id };
  return awaited.id === resync.id ? resync : undefined;
}
