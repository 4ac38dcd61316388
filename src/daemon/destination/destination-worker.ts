/** What runs on a destination's thread: the working half, and the NBD server that shows views of its recovery points. */
import { DestinationBack, type DestinationBackOptions } from '../../destage/destination-back.ts';
import type { PassedMarker } from '../../destage/passed-markers.ts';
import type { Lsn } from '../../journal/ids.ts';
import { SegmentRefused, type SegmentHeader } from '../../journal/segment/segment.ts';
import { sleep } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import { choosePoint, markerMeant, markerOutOfReach, type WantedPoint } from '../../recovery/choose-point.ts';
import { PastState } from '../../recovery/past-state.ts';
import type { SnapshotInfo, SnapshotStore } from '../../recovery/snapshot-store.ts';
import type { SetVolume } from '../../volume/volume-set.ts';
import type { ViewOptions } from '../../recovery/views.ts';
import { inReach, windowsBehind, type PastWindow } from '../../recovery/windows.ts';
import { refuseWithout } from '../snapshots/rollback-reader.ts';
import type { RollbackPoint } from '../roles/rollback-file.ts';
import { ServedViews, type MountFacts, type ServedViewsOptions } from '../snapshots/served-views.ts';

export interface WorkerOptions extends Omit<DestinationBackOptions, 'openSnapshots'>, ServedViewsOptions {
  readonly openStore: (volumes: readonly SetVolume[]) => SnapshotStore;
}

const HEADERS_AT_ONCE = 64;

/** What a destination is to go back to. */
export interface HeldPoint {
  readonly point: RollbackPoint;
  /** Of its volumes, as they are, bytes that may be something else than at the snapshot that the point is, or lies behind; undefined: that is not known. */
  readonly changedBytes: number | undefined;
}

export class DestinationWorker extends DestinationBack {
  readonly #platform: Pick<Platform, 'clock'>;
  readonly #options: WorkerOptions;
  readonly #mounts: ServedViews;
  #release: (() => void) | undefined;

  constructor(platform: Pick<Platform, 'clock' | 'files'>, log: Log, options: WorkerOptions) {
    const mounts = new ServedViews(platform, log, options);
    super(platform.files, platform.clock, log, {
      ...options,
      openSnapshots: (volumes) => mounts.follow(options.openStore(volumes)),
    });
    this.#platform = platform;
    this.#options = options;
    this.#mounts = mounts;
  }

  /** As the store's; nothing before that is open. */
  snapshotsUsed(): Promise<ReadonlyMap<string, number>> {
    return Promise.resolve(this.#mounts.used());
  }

  /**
   * Offers a recovery point's volumes. @throws OperatorError as `choosePoint`, `PastState.add` and `Views.open` do,
   * `NBD_ADDRESS`, or why the snapshots cannot be had
   */
  mount(wanted: WantedPoint, writable: boolean): Promise<MountFacts> {
    return this.#mounts.open(async () => {
      const { point, past, onClose } = await this.#find(wanted);
      return { point, options: { writable, ...(past && { past }), ...(onClose && { onClose }) } };
    });
  }

  /**
   * What the volumes are to become when this side takes over; what it needs of the journal stays until another is asked for, or
   * `letPointGo`. @throws OperatorError as `mount` does; `VOLUME_NOT_AT_POINT`, and as `changedBytes`; then nothing is held
   */
  async holdPoint(wanted: WantedPoint): Promise<HeldPoint> {
    await this.letPointGo();
    const { point, past, onClose } = await this.#find(wanted);
    const { id, name, lsn, time } = point;
    let changedBytes: number | undefined;
    try {
      refuseWithout((await this.facts()).state.volumes, name, this.#mounts.volumesOf(id));
      changedBytes = this.#mounts.changedSince(id);
    } catch (error) {
      onClose?.();
      throw error;
    }
    // The window may not lead over its own snapshot any more once what has arrived is applied.
    this.#release = onClose ?? this.holdSnapshot(lsn);
    if (past === undefined) return { point: { id, name, lsn, time }, changedBytes };
    const behind = { id, name: `lsn-${past.lsn}`, lsn: past.lsn, time: past.time, base: { lsn, time } };
    return { point: behind, changedBytes };
  }

  letPointGo(): Promise<void> {
    this.#release?.();
    this.#release = undefined;
    return Promise.resolve();
  }

  /** Between which records any state can be mounted, oldest first; reads the header of each segment that is kept. */
  async windows(): Promise<PastWindow[]> {
    const windows: PastWindow[] = [];
    for (const place of (await this.snapshots()).filter(({ apart }) => apart === undefined)) {
      if (place.lsn <= (windows.at(-1)?.to.lsn ?? -1)) continue;
      windows.push(...windowsBehind(place, await this.#headersBehind(place.lsn)));
    }
    return windows;
  }

  /** Up to one that is damaged. */
  async #headersBehind(start: Lsn): Promise<SegmentHeader[]> {
    const { segments, release } = this.retainedBehind(start);
    const headers: SegmentHeader[] = [];
    try {
      for (const { path } of segments) {
        const reader = this.#options.openSegment(path);
        headers.push(reader.header);
        reader.close();
        // Replication goes on in between.
        if (headers.length % HEADERS_AT_ONCE === 0) await sleep(this.#platform.clock, 0);
      }
    } catch (error) {
      if (!(error instanceof SegmentRefused)) throw error;
    } finally {
      release();
    }
    return headers;
  }

  /** Who uses it is hung up. @throws OperatorError `MOUNT_NOT_FOUND` */
  unmount(name: string): Promise<{ readonly name: string; readonly hungUp: number }> {
    return this.#mounts.end(name);
  }

  override async close(): Promise<void> {
    await this.#mounts.close();
    await super.close();
  }

  /** @throws OperatorError as `choosePoint` does, also where a marker of that name is out of reach */
  async #find(
    wanted: WantedPoint,
  ): Promise<Pick<ViewOptions, 'past' | 'onClose'> & { readonly point: SnapshotInfo }> {
    // Listing opens the store, too.
    const snapshots = await this.snapshots();
    const marker = markerMeant(snapshots, this.markers.list(), wanted);
    if (marker === undefined) {
      const point = choosePoint(snapshots, wanted);
      return { point, ...(await this.#pastBehind(point, wanted)) };
    }
    const there = { kind: 'lsn', lsn: marker.lsn } as const;
    const point = snapshots.findLast(({ lsn, apart }) => lsn <= marker.lsn && apart === undefined);
    if (point === undefined) throw markerOutOfReach(marker);
    const { past, onClose } = await this.#pastBehind(point, there);
    // Only the very state is meant, not the newest before it.
    if ((past ?? point).lsn === marker.lsn)
      return { point, ...(past && { past }), ...(onClose && { onClose }) };
    onClose?.();
    throw markerOutOfReach(marker);
  }

  /** The newest that were passed, in their order. */
  passedMarkers(): Promise<readonly PassedMarker[]> {
    return Promise.resolve(this.markers.list());
  }

  /** @throws OperatorError as `choosePoint` does, also where a marker of that name is out of reach */
  async checkPoint(wanted: WantedPoint): Promise<void> {
    const snapshots = await this.snapshots();
    const marker = markerMeant(snapshots, this.markers.list(), wanted);
    if (marker === undefined) choosePoint(snapshots, wanted);
    else if (inReach([marker], [], await this.windows()).length === 0) throw markerOutOfReach(marker);
  }

  /** What was written between the snapshot and the wanted state; nothing where that is all that there is. */
  async #pastBehind(
    point: Pick<SnapshotInfo, 'name' | 'lsn' | 'time'>,
    wanted: WantedPoint,
  ): Promise<Pick<ViewOptions, 'past' | 'onClose'>> {
    if (wanted.kind === 'snapshot') return {};
    const { segments, release } = this.retainedBehind(point.lsn);
    try {
      const { volumes } = (await this.facts()).state;
      const past = new PastState(point, wanted, { openSegment: this.#options.openSegment, volumes });
      for (const segment of segments) {
        if (!past.add(segment)) break;
        // Replication goes on in between.
        await sleep(this.#platform.clock, 0);
      }
      if (past.lsn > point.lsn) return { past, onClose: release };
    } catch (error) {
      release();
      throw error;
    }
    release();
    return {};
  }
}
