import { OperatorError } from '../platform/errors.ts';

/** What a group answers that is asked for snapshots and has none, because they are at its destinations. */
export abstract class WithoutSnapshots {
  abstract readonly name: string;

  snapshots(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  points(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  retention(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  createSnapshot(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  deleteSnapshot(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  mount(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  unmount(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  rehearse(): Promise<never> {
    return Promise.reject(noSnapshotsHere(this.name));
  }

  rehearsal(): never {
    throw noSnapshotsHere(this.name);
  }

  importSeed(): Promise<never> {
    return Promise.reject(
      new OperatorError('NOT_A_DESTINATION', `group ${this.name} is a source: it is what a seed is made of`, {
        remedy: 'import it at a destination',
      }),
    );
  }
}

function noSnapshotsHere(group: string): OperatorError {
  return new OperatorError(
    'NO_SNAPSHOTS_HERE',
    `group ${group} is a source: its snapshots are at its destinations`,
    {
      remedy:
        'ask there: `blockferry snapshot list`; `blockferry marker snapshot` here makes one at each of them',
    },
  );
}
