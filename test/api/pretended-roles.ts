import { PretendedRehearsals } from './pretended-rehearsals.ts';
import type {
  FailoverAnswer,
  FailoverRequest,
  RejoinAnswer,
  RollbackAnswer,
  RollbackRequest,
  SwitchoverAnswer,
} from '../../src/api/contract/roles.ts';

/** Notes what it is told to become. */
export class PretendedRoles extends PretendedRehearsals {
  readonly turned: { readonly verb: string; readonly group: string; readonly dryRun: boolean }[] = [];

  failover(group: string, { dryRun }: FailoverRequest): Promise<FailoverAnswer> {
    this.turned.push({ verb: 'failover', group, dryRun });
    return Promise.resolve({
      lsn: 7,
      time: 1000,
      behindSeconds: 2.5,
      uselessSegments: 0,
      uselessBytes: 0,
      markers: [],
      hosts: '/run/x.sock',
      epoch: 2,
    });
  }

  switchover(group: string, dryRun: boolean): Promise<SwitchoverAnswer> {
    this.turned.push({ verb: 'switchover', group, dryRun });
    return Promise.resolve({ to: 'bern', hosts: 3, lagBytes: 4096, epoch: 2 });
  }

  rollback(group: string, { point, dryRun }: RollbackRequest): Promise<RollbackAnswer> {
    this.turned.push({ verb: 'rollback', group, dryRun });
    const name = point.kind === 'snapshot' ? point.called : 'by-its-place';
    return Promise.resolve({
      point: { id: '0'.repeat(32), name, lsn: 5, time: 1000 },
      lsn: 9,
      behindSeconds: 60.25,
      hosts: 1,
      mounts: [],
      keptAs: 'before-rollback-x',
      changedBytes: 3 * 1024 * 1024,
    });
  }

  rejoin(group: string, dryRun: boolean): Promise<RejoinAnswer> {
    this.turned.push({ verb: 'rejoin', group, dryRun });
    const fork = { lsn: 7, time: 1000 };
    const volumes = [{ name: 'a', bytes: 65_536 }];
    const keptAs = 'diverged-1-16';
    const answer = { at: 2000, fork, epoch: 2, writes: 9, bytes: 65_536, volumes, keptAs };
    // Of this one the source lost the group's folder.
    return Promise.resolve(group === 'mail' ? { ...answer, anew: 8 * 1024 * 1024 } : answer);
  }
}
