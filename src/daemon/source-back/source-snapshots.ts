/**
 * A source's own snapshots, on the thread that destages: cut at the markers that destaging comes to, and kept whole before
 * anything is overwritten (I7).
 *
 * Hosts come first (I8): where there is no room to keep what they overwrite, snapshots are given up, the oldest first and in
 * the end the newest too.
 */
import { join } from 'node:path';
import type { Lsn } from '../../journal/ids.ts';
import { parseMarker } from '../../journal/marker-record.ts';
import { RecordKind, type JournalRecord } from '../../journal/record.ts';
import { errorCode } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import { Reserve } from '../../platform/reserve.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotStore } from '../../recovery/snapshot-store.ts';
import { keeping } from '../../volume/keeping.ts';
import type { SetVolume, VolumeRange } from '../../volume/volume-set.ts';

/** Bytes: a file system with less than this is full. */
const LITTLE = 16 * 1024 * 1024;

export interface SourceSnapshotsOptions {
  /** The store's. */
  readonly snapshotFolder: string;
  readonly volumes: readonly SetVolume[];
  readonly openStore: (volumes: readonly SetVolume[]) => SnapshotStore;
}

export type SnapshotToMake = Omit<SnapshotInfo, 'kind'>;

/** What was given up for want of room: a snapshot, or the marker that one was to be made at. */
export interface GivenUp {
  readonly what: 'snapshot' | 'marker';
  readonly id: string;
  readonly name: string;
  readonly lsn: Lsn;
}

export class SourceSnapshots {
  readonly #files: Files;
  readonly #log: Log;
  readonly #options: SourceSnapshotsOptions;
  readonly #reserve: Reserve;
  #volumes: readonly SetVolume[];
  #store: SnapshotStore | undefined;
  /** What destaging last needed of them could not be done. */
  #isWanting = false;
  /** The marker that is to be reached again, because its snapshot could not be made. */
  #failed: SnapshotToMake | undefined;
  /** Its id: no snapshot is made there. */
  #passedOver: string | undefined;

  constructor(files: Files, log: Log, options: SourceSnapshotsOptions) {
    this.#files = files;
    this.#log = log;
    this.#options = options;
    this.#reserve = new Reserve(files, join(options.snapshotFolder, 'snapshots.reserve'));
    this.#volumes = options.volumes;
  }

  /** Before anything is destaged. @throws OperatorError `SNAPSHOTS_NOT_KEPT`, and as opening a store does */
  open(): void {
    this.#tryOpen();
  }

  /** How many there are, as far as it can be told without a volume that is away. */
  get count(): number {
    return this.#store?.list().length ?? 0;
  }

  list(): readonly SnapshotInfo[] {
    return this.#opened().list();
  }

  /** Names of the volumes that can be opened of it. @throws OperatorError `SNAPSHOT_NOT_FOUND` */
  volumesOf(id: string): string[] {
    return this.#opened().volumesOf(id);
  }

  /** It cannot be deleted before the reader is closed. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED` */
  read(id: string, volume: string): SnapshotReader {
    return this.#opened().open(id, volume);
  }

  /** What a snapshot needs of these ranges is durable elsewhere on return (I7). @throws OperatorError `ENOSPC`, `VOLUME_OFFLINE` */
  preserve(ranges: readonly VolumeRange[]): void {
    this.#isWanting = true;
    keeping(() => this.#opened().preserve(ranges));
    this.#isWanting = false;
  }

  /**
   * The volumes are durable up to this record, and nothing behind it is in them; again, it has no effect (I9).
   * @throws OperatorError `ENOSPC`, `SNAPSHOT_LIMIT`
   */
  reach(record: JournalRecord): void {
    if (record.kind !== RecordKind.marker) return;
    const marker = parseMarker(record);
    if (marker?.kind !== 'snapshot' || marker.id === this.#passedOver) return;
    const wanted = { id: marker.id, name: marker.name, lsn: record.lsn, time: record.offset };
    [this.#failed, this.#isWanting] = [wanted, true];
    this.create(wanted);
    [this.#failed, this.#isWanting] = [undefined, false];
  }

  /** As the volumes are, which are durable; durable on return. @throws OperatorError `ENOSPC`, `SNAPSHOT_LIMIT` */
  create(wanted: SnapshotToMake): void {
    keeping(() => this.#opened().create(wanted));
    this.#log.info(`snapshot ${wanted.name} taken`, { lsn: wanted.lsn });
  }

  /** Durable on return. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE`, `ENOSPC` */
  delete(id: string): void {
    keeping(() => this.#reserve.spend(() => this.#opened().delete(id)));
  }

  /** One step of what deleting left to do; true when there is more. */
  tidy(): boolean {
    return keeping(() => this.#reserve.spend(() => this.#opened().tidy()));
  }

  /** What is to go next when destaging has no room; undefined: none would come of it. */
  get next(): GivenUp | undefined {
    if (!this.#isWanting && !this.#isOnFullDisk()) return undefined;
    const all = this.list();
    const oldest = all.find(({ apart }) => apart === undefined);
    if (oldest === undefined && this.#failed !== undefined) return { what: 'marker', ...this.#failed };
    // What nobody else has goes when there is nothing else left.
    const last = oldest ?? all[0];
    return last && { what: 'snapshot', id: last.id, name: last.name, lsn: last.lsn };
  }

  /** It is gone, durably. Nobody reads it any more. @throws what keeps it from being deleted */
  giveUp({ what, id }: GivenUp): void {
    if (what === 'snapshot') this.delete(id);
    else {
      this.#passedOver = id;
      this.#failed = undefined;
    }
  }

  /** The group's volumes are these from now on; what was kept before stays what it is. */
  resized(volumes: readonly SetVolume[]): void {
    this.close();
    this.#volumes = volumes;
    this.#tryOpen();
  }

  close(): void {
    this.#store?.close();
    this.#store = undefined;
  }

  /** A volume that is away, or a full disk, is told of where it is in the way. */
  #tryOpen(): void {
    try {
      this.#opened();
    } catch (error) {
      if (!['VOLUME_OFFLINE', 'ENOSPC'].includes(errorCode(error))) throw error;
    }
  }

  /** A clone is where its volume is. */
  #isOnFullDisk(): boolean {
    const { snapshotFolder } = this.#options;
    return this.#opened().kind === 'reflink' || this.#files.freeSpace(snapshotFolder) < LITTLE;
  }

  #opened(): SnapshotStore {
    // The reserve is made with it, so that its room is there when there is none.
    this.#store ??= keeping(() => this.#reserve.spend(() => this.#options.openStore(this.#volumes)));
    return this.#store;
  }
}
