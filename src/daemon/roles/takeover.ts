/** What a failover comes to, before and after. */
import type { FailoverAnswer } from '../../api/contract/roles.ts';
import type { DestinationGroupStatus, SourceStatus } from '../../api/contract/status.ts';
import type { SourceGroupConfig } from '../../config/config.ts';
import type { DestinationFacts } from '../../destage/destination-facts.ts';
import { readDestinationState } from '../../destage/state-file.ts';
import type { ForkPoint } from '../../journal/fork.ts';
import { epoch, type EpochIdentity } from '../../journal/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import { assert, OperatorError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import type { Files } from '../../platform/files.ts';

export interface ToldWith {
  readonly clock: Clock;
  readonly config: SourceGroupConfig;
  /** The one that it serves in. */
  readonly next: EpochIdentity;
}

/** @throws OperatorError `GROUP_NOT_CONSISTENT`, `FAILOVER_REFUSED` */
export function failoverFacts(
  status: SourceStatus | DestinationGroupStatus,
  { state }: DestinationFacts,
  { clock, config, next }: ToldWith,
): FailoverAnswer {
  assert(status.role === 'destination', 'a destination fails over');
  if (state.epoch === undefined || !state.consistent)
    throw refuseFailover(config.name, 'its volumes are not consistent');
  const { appliedTime: time, applied: lsn } = state;
  return {
    lsn,
    time,
    behindSeconds: time === 0 ? 0 : Math.max(0, (clock.now() - time) / 1000),
    uselessSegments: status.missing.length === 0 ? 0 : status.inboxSegments,
    uselessBytes: status.missing.length === 0 ? 0 : status.buffer.used,
    markers: [state.pending, ...state.background].flatMap((marker) => marker?.name ?? []),
    hosts: hostsOf(config),
    epoch: next.number,
  };
}

/** The one behind it. */
export function nextEpoch(random: Random, now: Pick<EpochIdentity, 'number'> | undefined): EpochIdentity {
  return { number: epoch((now?.number ?? 1) + 1), id: random.bytes(16).toString('hex') };
}

export function epochOf(status: SourceStatus | DestinationGroupStatus): Pick<EpochIdentity, 'number'> {
  return { number: epoch(status.epoch ?? 1) };
}

/** A source that serves nobody serves again, with all that its hosts wrote. */
export function goingOnFacts(
  status: SourceStatus | DestinationGroupStatus,
  config: SourceGroupConfig,
  next: Pick<EpochIdentity, 'number'>,
): FailoverAnswer {
  assert(status.role === 'source', 'a source goes on');
  const nothingLost = { time: 0, behindSeconds: 0, uselessSegments: 0, uselessBytes: 0, markers: [] };
  return { lsn: status.lsn, ...nothingLost, hosts: hostsOf(config), epoch: next.number };
}

/** Where a destination that is settled leaves its epoch. */
export function forkAt(files: Files, folder: string): ForkPoint {
  const { applied: lsn, digest, appliedTime: time, ...received } = readDestinationState(files, folder);
  assert(received.epoch !== undefined, 'something was received');
  return { epoch: received.epoch, lsn, digest, time };
}

function hostsOf({ nbd: { socket, tcp } }: SourceGroupConfig): string {
  return socket ?? `${tcp?.host ?? ''}:${tcp?.port ?? 0}`;
}

export function refuseFailover(group: string, why: string): OperatorError {
  return new OperatorError('FAILOVER_REFUSED', `group ${group} cannot take over here: ${why}`, {
    remedy:
      'a failover is for a destination whose source is lost, once it was in step; `blockferry status` and `blockferry recover points` say what it holds',
  });
}
