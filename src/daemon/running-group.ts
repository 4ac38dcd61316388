import type { MarkerToPlace } from '../api/control.ts';
import type { InitializeAnswer, InitializeRequest } from '../api/contract/initialize.ts';
import type { LinkTestReport } from '../api/contract/link-test.ts';
import type { PlacedMarker } from '../api/contract/markers.ts';
import type { MountEntry, MountRequest, Unmounted } from '../api/contract/mounts.ts';
import type { RehearsalProgress, RehearsalRequest } from '../api/contract/rehearsals.ts';
import type { RecoveryPoints } from '../api/contract/points.ts';
import type {
  SeedExportRequest,
  SeedExportStatus,
  SeedImportRequest,
  SeedImportStatus,
} from '../api/contract/seed.ts';
import type { RetentionReport, SnapshotEntry } from '../api/contract/snapshots.ts';
import type { DestinationGroupStatus, SourceStatus } from '../api/contract/status.ts';
import type { Accepted, AcceptRequest, VerificationProgress } from '../api/contract/verification.ts';
import type { ResizeAnswer, ResizeRequest } from '../api/contract/volumes.ts';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { OperatorError } from '../platform/errors.ts';
import { lockFile } from '../platform/node/lock.ts';
import { nodeFiles } from '../platform/node/files.ts';
import type { Log, LogFields } from '../platform/log.ts';

/** A group that this daemon runs, of either role. */
export interface RunningGroup {
  readonly name: string;
  status(): Promise<SourceStatus | DestinationGroupStatus>;
  placeMarker(marker: MarkerToPlace): Promise<PlacedMarker>;
  /** @throws OperatorError `NOT_A_SOURCE`, `SOURCE_DIFFERS`, `COMPARE_INTERVAL` */
  initialize(how: InitializeRequest): Promise<InitializeAnswer>;
  /** @throws OperatorError `NOT_A_SOURCE`, and as `Seeding.export` does */
  exportSeed(request: SeedExportRequest): Promise<SeedExportStatus>;
  /** @throws OperatorError `NOT_A_DESTINATION`, and as `DestinationGroup.importSeed` does */
  importSeed(request: SeedImportRequest): Promise<SeedImportStatus>;
  /** @throws OperatorError `SEED_NONE`, `SEED_NOT_AWAITED` */
  cancelSeed(): Promise<void>;
  snapshots(): Promise<readonly SnapshotEntry[]>;
  /** What the group can be brought back to here. */
  points(): Promise<RecoveryPoints>;
  /** At what a destination has applied; durable when this resolves. `undefined`: it is called by its time. */
  createSnapshot(name: string | undefined): Promise<SnapshotEntry>;
  /** @throws OperatorError `NO_RETENTION` */
  retention(): Promise<RetentionReport>;
  /** Durable when this resolves. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  deleteSnapshot(id: string): Promise<void>;
  /** Offers a recovery point to look at. @throws OperatorError why there is none, or it cannot be served */
  mount(request: MountRequest): Promise<MountEntry>;
  /** @throws OperatorError `MOUNT_NOT_FOUND` */
  unmount(mount: string): Promise<Unmounted>;
  /** Begins one; answers its number. @throws OperatorError `NO_REHEARSAL`, and as `Rehearsing.begin` does */
  rehearse(request: RehearsalRequest): Promise<number>;
  /** @throws OperatorError `NO_REHEARSAL`, `REHEARSAL_GONE` */
  rehearsal(number: number): RehearsalProgress;
  /** @throws OperatorError `DESTINATION_UNKNOWN`, `NOT_A_SOURCE`, `LINK_CLOSED` */
  testLink(destination: string): Promise<LinkTestReport>;
  /** What is to be made sure of before any of it is taken over. @throws OperatorError why it cannot be; nothing has changed then */
  prepare(config: Config['groups'][number]): void;
  /** Takes over what can be changed while it runs. */
  configure(config: Config['groups'][number]): void;
  /** Begins to compare the volumes with the destinations'; answers the pass's number. @throws OperatorError `NOT_A_SOURCE`, `GROUP_NOT_CONSISTENT` */
  verify(order: { readonly full: boolean }): Promise<number>;
  /** @throws OperatorError `NOT_A_SOURCE`, `VERIFICATION_GONE` */
  verification(pass: number): Promise<VerificationProgress>;
  /** What the volumes hold though no host wrote it is right, as far as it was told. @throws OperatorError `NOT_A_SOURCE` */
  acceptSourceChanges(request: AcceptRequest): Promise<Accepted>;
  /** Durable when this resolves. @throws OperatorError `NOT_A_SOURCE`, `VOLUME_NOT_FOUND`, `RESIZE_IMPOSSIBLE`, `RESIZE_UNDER_WAY` */
  resize(volume: string, request: ResizeRequest): Promise<ResizeAnswer>;
  /** Its inbox got something. */
  wake(): void;
  /** What is under way is finished and durable. */
  stop(): Promise<void>;
}

/** One daemon a group folder. @throws OperatorError `GROUP_LOCKED` */
export function lockGroup(name: string, folder: string): { release(): void } {
  nodeFiles.makeDirectory(folder);
  const lock = lockFile(join(folder, 'lock'));
  if (lock !== undefined) return lock;
  throw new OperatorError('GROUP_LOCKED', `group ${name}: another blockferry works in ${folder}`, {
    remedy: 'stop it, or give this one another buffer',
  });
}

/** A worker thread's `log` events. */
export function logFromThread(log: Log): (level: keyof Log, message: string, fields?: LogFields) => void {
  return (level, message, fields) => log[level](message, fields);
}
