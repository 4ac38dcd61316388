import type { MarkedVolume } from '../../capture/change-map.ts';
import type { HandoverPayload } from '../../journal/handover.ts';
import type { EpochIdentity, Lsn } from '../../journal/ids.ts';
import type { SiteStatus } from '../../journal/status.ts';
import type { WaitCode } from '../../platform/wait-codes.ts';
import type { WantedPoint } from '../../recovery/choose-point.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';
import type { Diverged, Parting } from '../source-back/diverged.ts';
import type { RunningGroup } from '../running-group.ts';

/** Which of its regions the other side lacks, or may. */
export interface DivergedVolumes extends Diverged {
  readonly marked: readonly MarkedVolume[];
}

/** What becomes of a source when it changes its part. */
export interface RunningSource extends RunningGroup {
  /** In which its hosts write, or did. */
  readonly epoch: EpochIdentity;
  /** Hosts are let go; all that there is is sealed and in the volumes. False: something stands in the way. @throws OperatorError `JOURNAL_FAILED`, `JOURNAL_OPEN` */
  settle(): Promise<boolean>;
  /** Once settled. @throws as `markDiverged` does */
  markDiverged(parting: Parting): Promise<DivergedVolumes>;
  /** Hosts are let go; the last record of the epoch is durable in the journal. */
  handOver(payload: HandoverPayload): Promise<Lsn>;
  /** Whether its destination said that it follows this epoch, and that its volumes are consistent. */
  followed(): boolean;
  /** None of its snapshots goes by itself, for want of room or by a retention, before the result is called. */
  holdSnapshots(): () => void;
  /** Which of its snapshots is meant. @throws OperatorError `NO_SNAPSHOTS_HERE`, as `RollbackReader.choose` does */
  rollbackPoint(wanted: WantedPoint): Promise<SnapshotInfo>;
  /** Bytes of the volumes, as they are, that may be something else than at this snapshot; undefined: that is not known. */
  changedSince(snapshot: string): Promise<number | undefined>;
  /** Nobody is served, because its volumes are being brought back to one. */
  readonly isRollingBack: boolean;
  /** What its destination says that holds what an earlier source of the group wrote; undefined: none does. */
  foreign(): SiteStatus | undefined;
  /** It moves to no other folder any more. Its own. */
  stay(): Promise<string>;
  /** Says why nobody is served; undefined: that is no reason any more. */
  tell(code: WaitCode, message: string | undefined): void;
}
