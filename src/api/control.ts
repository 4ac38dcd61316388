import type { InitializeAnswer, InitializeRequest } from './contract/initialize.ts';
import type { LinkTestReport } from './contract/link-test.ts';
import type { PlacedMarker } from './contract/markers.ts';
import type { MountEntry, MountRequest, Unmounted } from './contract/mounts.ts';
import type { RehearsalProgress, RehearsalRequest } from './contract/rehearsals.ts';
import type { RecoveryPoints } from './contract/points.ts';
import type {
  FailoverAnswer,
  FailoverRequest,
  RejoinAnswer,
  RollbackAnswer,
  RollbackRequest,
  SwitchoverAnswer,
} from './contract/roles.ts';
import type { RetentionReport, SnapshotEntry } from './contract/snapshots.ts';
import type {
  SeedExportRequest,
  SeedExportStatus,
  SeedImportRequest,
  SeedImportStatus,
} from './contract/seed.ts';
import type { StatusReport } from './contract/status.ts';
import type {
  Accepted,
  AcceptRequest,
  VerificationProgress,
  VerificationRequest,
} from './contract/verification.ts';
import type { ResizeAnswer, ResizeRequest } from './contract/volumes.ts';

/** What the API asks of the daemon, and all it knows of it. */
export interface DaemonControl {
  status(): StatusReport | Promise<StatusReport>;
  /**
   * Places a marker at one LSN of the group's journal; durable when this resolves.
   * @throws OperatorError `GROUP_UNKNOWN`; any other code when the group cannot take a marker (now)
   */
  placeMarker(group: string, marker: MarkerToPlace): Promise<PlacedMarker>;
  /**
   * All that a source group's volumes hold is brought over to its destinations, again; with `compare` what differs. Noted durably when this resolves; it
   * begins by itself, at once or when the buffer has room.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, `SOURCE_DIFFERS`, `COMPARE_INTERVAL`, or why it cannot be noted
   */
  initialize(group: string, how: InitializeRequest): Promise<InitializeAnswer>;
  /**
   * Writes what a source group's volumes hold to drives: a new seed, or the one under way in another folder. It goes on by
   * itself; the status says how far it is.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, `SEED_FOLDER`, `SEED_FILE_SIZE`
   */
  exportSeed(group: string, request: SeedExportRequest): Promise<SeedExportStatus>;
  /**
   * Imports what a folder has of a seed at a destination, once its stream has reached the seed's beginning.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_DESTINATION`, `SEED_NOT_FOUND`, `SEED_MANIFEST_INVALID`, `SEED_GIVEN_UP`
   */
  importSeed(group: string, request: SeedImportRequest): Promise<SeedImportStatus>;
  /**
   * At a source, everything goes over the link instead; at a destination, the volumes go on without the seed, and are not
   * consistent before another full copy. Durable when this resolves.
   * @throws OperatorError `GROUP_UNKNOWN`, `SEED_NONE`, `SEED_NOT_AWAITED`
   */
  cancelSeed(group: string): Promise<void>;
  /**
   * Reads the configuration again and takes over what can be changed while it runs; answers which settings those are.
   * @throws OperatorError `CONFIG_INVALID`, `RESTART_NEEDED`: nothing was changed
   */
  reload(): readonly string[];
  /**
   * Tries the link of a source group to a destination, whatever goes over it at the moment.
   * @throws OperatorError `GROUP_UNKNOWN`, `DESTINATION_UNKNOWN`, `NOT_A_SOURCE`, `LINK_CLOSED`
   */
  testLink(group: string, destination: string): Promise<LinkTestReport>;
  /**
   * Begins to compare a source group's volumes with its destinations'; answers the pass's number.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, `GROUP_NOT_CONSISTENT`
   */
  verify(group: string, order: VerificationRequest): Promise<number>;
  /** @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, `VERIFICATION_GONE` */
  verification(group: string, pass: number): Promise<VerificationProgress>;
  /**
   * What a source's volumes hold though no host wrote it is right, as far as it was told up to an LSN: it is sent to the
   * destinations where they differ. @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, or why it cannot be noted
   */
  acceptSourceChanges(group: string, request: AcceptRequest): Promise<Accepted>;
  /**
   * Makes a source group's volume larger, or says what would be done; durable when this resolves.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_A_SOURCE`, `VOLUME_NOT_FOUND`, `RESIZE_IMPOSSIBLE`, `RESIZE_UNDER_WAY`
   */
  resize(group: string, volume: string, request: ResizeRequest): Promise<ResizeAnswer>;
  /**
   * A destination takes over, or says what that would come to: it serves hosts when this resolves.
   * @throws OperatorError `GROUP_UNKNOWN`, `FAILOVER_REFUSED`, or what keeps the volumes from it
   */
  failover(group: string, request: FailoverRequest): Promise<FailoverAnswer>;
  /**
   * A source hands over to its destination: it serves nobody when this resolves.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_SERVING`, `SWITCHOVER_ONE`, `GROUP_NOT_CONSISTENT`
   */
  switchover(group: string, dryRun: boolean): Promise<SwitchoverAnswer>;
  /**
   * Brings the volumes of a source back to a recovery point, or says what that would come to: hosts are served again once
   * that is done, which the status tells.
   * @throws OperatorError `GROUP_UNKNOWN`, `NOT_SERVING`, `NO_SNAPSHOTS_HERE`, `VOLUME_NOT_AT_POINT`, why there is no such point
   */
  rollback(group: string, request: RollbackRequest): Promise<RollbackAnswer>;
  /** A source that was deposed follows the other side. @throws OperatorError `GROUP_UNKNOWN`, `NOT_DEPOSED` */
  rejoin(group: string, dryRun: boolean): Promise<RejoinAnswer>;
  /** Oldest LSN first. @throws OperatorError `GROUP_UNKNOWN`, or why they cannot be listed */
  snapshots(group: string): Promise<readonly SnapshotEntry[]>;
  /** @throws OperatorError `GROUP_UNKNOWN`, or why they cannot be told */
  points(group: string): Promise<RecoveryPoints>;
  /** Newest first. @throws OperatorError `GROUP_UNKNOWN`, `NO_RETENTION`, or why they cannot be listed */
  retention(group: string): Promise<RetentionReport>;
  /**
   * Makes a recovery point at what a destination has applied, or a source's hosts have written; durable when this resolves. Without a name it is called by its
   * UTC time. @throws OperatorError `GROUP_UNKNOWN`, `NO_SNAPSHOTS_HERE`, `GROUP_NOT_CONSISTENT`, `VOLUMES_AHEAD`
   */
  createSnapshot(group: string, name: string | undefined): Promise<SnapshotEntry>;
  /** Durable when this resolves. @throws OperatorError `GROUP_UNKNOWN`, `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  deleteSnapshot(group: string, id: string): Promise<void>;
  /**
   * Offers a recovery point to look at, until it is unmounted or the daemon ends; meanwhile its snapshot is not deleted.
   * @throws OperatorError `GROUP_UNKNOWN`, why there is no such point, or it cannot be served
   */
  mount(group: string, request: MountRequest): Promise<MountEntry>;
  /** Who uses it is hung up. @throws OperatorError `GROUP_UNKNOWN`, `MOUNT_NOT_FOUND` */
  unmount(group: string, mount: string): Promise<Unmounted>;
  /**
   * Begins to rehearse a recovery: mounts a recovery point, runs the group's check on it, and unmounts it; answers its number.
   * @throws OperatorError `GROUP_UNKNOWN`, `NO_REHEARSAL`, `REHEARSAL_UNDER_WAY`, or why there is no such point
   */
  rehearse(group: string, request: RehearsalRequest): Promise<number>;
  /** @throws OperatorError `GROUP_UNKNOWN`, `NO_REHEARSAL`, `REHEARSAL_GONE` */
  rehearsal(group: string, number: number): RehearsalProgress;
}

export interface MarkerToPlace {
  readonly kind: 'snapshot' | 'custom';
  readonly name: string;
}
