/** What destaging needs of a snapshot store; recovery/ implements it. */
import { createHash } from 'node:crypto';
import type { EpochIdentity } from '../journal/ids.ts';
import type { Lsn } from '../journal/ids.ts';
import { OperatorError } from '../platform/errors.ts';
import type { SetVolume, VolumeRange } from '../volume/volume-set.ts';

export interface Snapshots {
  /** Something is kept of what is overwritten: to wait once for much of it is cheaper than often. */
  readonly isKeeping: boolean;
  /** Durable on return; the same id again has no effect (I9). */
  create(info: {
    readonly id: string;
    readonly name: string;
    readonly lsn: Lsn;
    readonly time: number;
  }): void;
  list(): readonly SnapshotFacts[];
  /** What a snapshot needs of these ranges is durable elsewhere on return (I7). */
  preserve(ranges: readonly VolumeRange[]): void;
  /** These ranges are to be preserved soon, which then takes less time; next to none once more are announced here. */
  anticipate(ranges: readonly VolumeRange[]): void;
  /** What is behind this record is of a history that is left now. Durable on return. */
  leave(behind: Lsn): void;
  /** Durable on return. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  delete(id: string): void;
  /** One step of what deleting left to do; true when there is more. */
  tidy(): boolean;
  close(): void;
}

export interface SnapshotFacts {
  readonly id: string;
  readonly name: string;
  readonly lsn: Lsn;
  readonly time: number;
  readonly kind: 'reflink' | 'copy-on-write';
  /** Of a history that was left. */
  readonly apart?: true;
}

/** Of one that this side makes by itself at a record of an epoch: the same each time. */
export function snapshotId(what: string, epoch: EpochIdentity | undefined, at: Lsn): string {
  return createHash('sha256')
    .update(`${what} ${epoch?.id ?? ''} ${at}`)
    .digest('hex')
    .slice(0, 32);
}

export type OpenSnapshots = (volumes: readonly SetVolume[]) => Snapshots;

/** Of what follows `applied` a part may be in the volumes: no recovery point. */
export function volumesAhead(applied: Lsn): OperatorError {
  return new OperatorError(
    'VOLUMES_AHEAD',
    `of what follows record ${applied} a part may be in the volumes already`,
    {
      remedy: 'try again once more has been applied: `blockferry status` says what it waits for',
      retryable: true,
    },
  );
}
