/** What runs on a source's back thread: sealing and destaging, and, where it keeps snapshots of its own, what is done with these. */
import { join } from 'node:path';
import type { SegmentReader } from '../../journal/segment/segment.ts';
import { assert } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import { choosePoint, type WantedPoint } from '../../recovery/choose-point.ts';
import type { DifferenceStep } from '../../recovery/difference.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';
import { clearFolder, FolderCopy, type CopyProgress } from '../buffer/folder-copy.ts';
import { ROLLBACK_FOLDER, type RollbackPoint } from '../roles/rollback-file.ts';
import { RollbackReader } from '../snapshots/rollback-reader.ts';
import type { MountFacts, ServedViews } from '../snapshots/served-views.ts';
import type { SealedFile } from './sealed-file.ts';
import { SourceBack, type PointStores } from './source-back.ts';
import type { SourceBackOptions } from './source-back-facts.ts';
import type { GivenUp, SnapshotToMake, SourceSnapshots } from './source-snapshots.ts';

export interface SourceWorkerOptions extends SourceBackOptions {
  readonly stores: PointStores;
  /** A replication file. */
  readonly openFile: (path: string) => SegmentReader;
  readonly own: { readonly snapshots: SourceSnapshots; readonly mounts: ServedViews } | undefined;
}

export class SourceWorker extends SourceBack {
  readonly #own: SourceWorkerOptions['own'];
  readonly #moved: { readonly files: Files; readonly folder: string };
  readonly #rollback: RollbackReader | undefined;
  #copy: FolderCopy | undefined;

  constructor(files: Files, random: Random, { stores, own, openFile, ...options }: SourceWorkerOptions) {
    super(files, random, options, stores, own?.snapshots);
    this.#own = own;
    const { volumes } = options;
    const folder = join(options.folder, ROLLBACK_FOLDER);
    const reading = { volumes, content: this.content, files, folder, openSegment: openFile };
    this.#rollback = own && new RollbackReader({ ...own, ...reading });
    this.#moved = { files, folder: options.folder };
  }

  /** The replication files are copied to another folder, a piece with each step, from the first on. @throws as `FolderCopy` does */
  beginMove(to: string): Promise<void> {
    this.#copy?.close();
    this.#copy = new FolderCopy(this.#moved.files, this.#moved.folder, to);
    return Promise.resolve();
  }

  /** @throws the file system's errors */
  stepMove(): Promise<CopyProgress> {
    assert(this.#copy !== undefined, 'no move was begun');
    return Promise.resolve(this.#copy.step());
  }

  /** All that the folder holds is in the other one, durably; nothing else is done after this but `close`. @throws the file system's errors */
  async finishMove(): Promise<void> {
    assert(this.#copy !== undefined, 'no move was begun');
    await this.dropMerge();
    await this.dropPoint();
    this.#copy.finish();
  }

  /** A part of what a move left in a folder, of which the caller knows that it is not the group's, is removed. Whether there is more. */
  clearFolder(folder: string): Promise<boolean> {
    return Promise.resolve(clearFolder(this.#moved.files, folder));
  }

  override free(file: SealedFile, spareBytes: number): Promise<boolean> {
    return super.free(file, this.#copy?.reads(file) === true ? 0 : spareBytes);
  }

  snapshots(): Promise<readonly SnapshotInfo[]> {
    return Promise.resolve(this.#kept.snapshots.list());
  }

  /** As the store's. */
  snapshotsUsed(): Promise<ReadonlyMap<string, number>> {
    return Promise.resolve(this.#kept.mounts.used());
  }

  /** What is destaged is at its record, and nothing behind it. Durable on return. @throws OperatorError `ENOSPC`, `SNAPSHOT_LIMIT` */
  createSnapshot(wanted: SnapshotToMake): Promise<number> {
    assert(this.applied === wanted.lsn, `the volumes are not at ${wanted.lsn}`);
    this.#kept.snapshots.create(wanted);
    return Promise.resolve(this.#kept.snapshots.count);
  }

  /** Durable on return. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE`, `ENOSPC` */
  deleteSnapshot(id: string): Promise<number> {
    this.#kept.snapshots.delete(id);
    return Promise.resolve(this.#kept.snapshots.count);
  }

  /** One step of what deleting snapshots left to do; true when there is more. */
  tidySnapshots(): Promise<boolean> {
    return Promise.resolve(this.#kept.snapshots.tidy());
  }

  /** So that hosts need not wait for room, the oldest snapshot goes, whoever looks at it; undefined: there is nothing that could. */
  async giveUpSnapshot(): Promise<(GivenUp & { readonly unmounted: readonly string[] }) | undefined> {
    const { snapshots, mounts } = this.#kept;
    const next = snapshots.next;
    if (next === undefined) return undefined;
    const unmounted = await mounts.endThoseOf(next.id);
    snapshots.giveUp(next);
    return { ...next, unmounted };
  }

  /** Offers a recovery point's volumes. @throws OperatorError as `choosePoint` and `Views.open` do, `NBD_ADDRESS` */
  mount(wanted: WantedPoint, writable: boolean): Promise<MountFacts> {
    return this.#kept.mounts.open(() => {
      const point = choosePoint(this.#kept.snapshots.list(), wanted);
      return Promise.resolve({ point, options: { writable } });
    });
  }

  /** Who uses it is hung up. @throws OperatorError `MOUNT_NOT_FOUND` */
  unmount(name: string): Promise<{ readonly name: string; readonly hungUp: number }> {
    return this.#kept.mounts.end(name);
  }

  /** What the volumes are to be brought back to. @throws OperatorError as `RollbackReader.choose` does */
  rollbackPoint(wanted: WantedPoint): Promise<SnapshotInfo> {
    return Promise.resolve(this.#rollingBack.choose(wanted));
  }

  /** As `changedBytes`, of a snapshot that was listed. */
  changedSince(id: string): Promise<number | undefined> {
    return Promise.resolve(this.#kept.mounts.changedSince(id));
  }

  /** Where the volumes differ from it is to be read, from the start. @throws OperatorError as `RollbackReader.begin` does */
  beginRollback(point: RollbackPoint): Promise<void> {
    this.#rollingBack.begin(point);
    return Promise.resolve();
  }

  /** @throws OperatorError as `Difference.step` does */
  readDifference(): Promise<DifferenceStep> {
    return Promise.resolve(this.#rollingBack.step());
  }

  endRollback(): Promise<void> {
    this.#rollingBack.end();
    return Promise.resolve();
  }

  override async close(): Promise<void> {
    this.#copy?.close();
    this.#rollback?.end();
    await this.#own?.mounts.close();
    await super.close();
  }

  get #rollingBack(): RollbackReader {
    assert(this.#rollback !== undefined, 'this source keeps snapshots');
    return this.#rollback;
  }

  get #kept(): NonNullable<SourceWorkerOptions['own']> {
    assert(this.#own !== undefined, 'this source keeps snapshots');
    return this.#own;
  }
}
