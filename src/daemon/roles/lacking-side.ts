/** A destination that lacks records which may be kept nowhere any more: it was set back, or its folder is new. */
import type { RejoinAnswer } from '../../api/contract/roles.ts';
import type { DestinationFacts } from '../../destage/destination-facts.ts';
import { next } from '../../journal/ids.ts';
import type { RunningDestination } from '../destination/destination.ts';
import { lacksNothing } from './role-errors.ts';

/** @throws OperatorError `NOT_DEPOSED` */
export async function planAnew(name: string, group: RunningDestination): Promise<RejoinAnswer> {
  const status = await group.status();
  const [lacks] = status.role === 'destination' ? status.missing : [];
  if (lacks === undefined) throw lacksNothing(name);
  return anewAnswer(group.facts(), lacks);
}

function anewAnswer({ state }: DestinationFacts, lacks: RejoinAnswer['lacks']): RejoinAnswer {
  const { applied: lsn, appliedTime: time, epoch, volumes } = state;
  const holding = volumes.map(({ name, size: bytes }) => ({ name, bytes }));
  const bytes = holding.reduce((sum, volume) => sum + volume.bytes, 0);
  return {
    ...{ at: time, fork: { lsn, time }, epoch: epoch?.number ?? 1, writes: 0, bytes, volumes: holding },
    ...(epoch === undefined ? {} : { keptAs: `diverged-${epoch.number}-${next(lsn)}` }),
    ...{ anew: bytes, lacks },
  };
}
