/** Why a group does not change its part. */
import { OperatorError } from '../../platform/errors.ts';

export function notServing(group: string): OperatorError {
  return new OperatorError('NOT_SERVING', `group ${group} serves no hosts here`, {
    remedy:
      'run `blockferry switchover` where they are served; where the source is lost, `blockferry failover` here',
  });
}

export function oneDestination(group: string): OperatorError {
  return new OperatorError('SWITCHOVER_ONE', `group ${group} has not one destination but several, or none`, {
    remedy:
      'a switchover is between two sides: leave the destination in the configuration that is to take over',
  });
}

export function notInStep(group: string, how: string): OperatorError {
  return new OperatorError(
    'GROUP_NOT_CONSISTENT',
    `group ${group} is ${how}: its destination cannot take over`,
    {
      remedy:
        'wait until `blockferry status` shows mode journal here and a consistent destination there, then switch over; one that was deposed has to rejoin before',
      retryable: true,
    },
  );
}

export function notRolledBackHere(group: string): OperatorError {
  return new OperatorError(
    'NOT_SERVING',
    `group ${group} serves no hosts here: it holds what the other side writes`,
    {
      remedy:
        'run `blockferry rollback` where they are served: this side follows; or, where that side is lost or has no such point, `blockferry failover --at` here',
    },
  );
}

export function rollingBack(group: string): OperatorError {
  return new OperatorError('ROLLING_BACK', `the volumes of group ${group} are being brought back`, {
    remedy: '`blockferry status` says how far it is; say it again then',
    retryable: true,
  });
}

export function notSettled(group: string): OperatorError {
  return new OperatorError(
    'GROUP_NOT_SETTLED',
    `what hosts wrote to group ${group} is not all in its volumes`,
    {
      remedy:
        '`blockferry status` says what stands in the way, a volume that is away, say; it is tried every few seconds: mend that, then say this again',
      retryable: true,
    },
  );
}

export function notDeposed(group: string): OperatorError {
  return new OperatorError('NOT_DEPOSED', `group ${group} has nothing to give way to here`, {
    remedy:
      '`blockferry status` on both sides says which of them serves hosts; a rejoin is for the one that did before the other took over',
  });
}

/** Of a destination. */
export function lacksNothing(group: string): OperatorError {
  return new OperatorError('NOT_DEPOSED', `group ${group} follows the other side here, and lacks nothing`, {
    remedy:
      'a rejoin is for the side that served hosts before the other took over, and for a destination whose source says `records-gone`; to compare all there is, `blockferry initialize --compare` at the source',
  });
}

/** Of a side whose group folder is new. `heard`: whether its destination answers at all. */
export function notServedThere(group: string, heard: boolean): OperatorError {
  const why = heard ? 'does not serve hosts yet' : 'has not been heard since this one started';
  return new OperatorError('OTHER_SIDE_FOLLOWS', `the other side of group ${group} ${why}`, {
    remedy: heard
      ? `run \`blockferry failover ${group}\` there, then this again`
      : 'see what keeps the link in `blockferry status`, then say this again',
    retryable: true,
  });
}

export function volumeTooSmall(name: string, path: string, size: number): OperatorError {
  return new OperatorError('VOLUME_TOO_SMALL', `volume ${name} (${path}) is smaller than the other side's`, {
    remedy: `give it at least ${size} bytes, and say it again`,
  });
}

export function noSnapshotsHere(group: string): OperatorError {
  return new OperatorError(
    'NO_SNAPSHOTS_HERE',
    `group ${group} is a source that keeps no snapshots: they are at its destinations`,
    {
      remedy:
        'ask there: `blockferry recover points`, and `blockferry failover --at` to go back to one; or give this side `snapshots` in the configuration, to keep some here too',
    },
  );
}
