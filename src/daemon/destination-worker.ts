/** What runs on a destination's thread: the working half, and the NBD server that shows views of its recovery points. */
import { DestinationBack, type DestinationBackOptions } from '../destage/destination-back.ts';
import type { Lsn } from '../journal/ids.ts';
import { SegmentRefused, type SegmentHeader } from '../journal/segment/segment.ts';
import type { HostVolume } from '../nbd/front-end.ts';
import type { NbdAddress } from '../nbd/server.ts';
import { sleep } from '../platform/clock.ts';
import { assert, describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { choosePoint, type WantedPoint } from '../recovery/choose-point.ts';
import { PastState } from '../recovery/past-state.ts';
import { removeScratches, Scratch } from '../recovery/scratch.ts';
import type { SnapshotInfo, SnapshotStore } from '../recovery/snapshot-store.ts';
import type { SetVolume } from '../volume/volume-set.ts';
import { Views, type View, type ViewOptions } from '../recovery/views.ts';
import { windowsBehind, type PastWindow } from '../recovery/windows.ts';

export interface MountFacts {
  readonly name: string;
  /** The snapshot that it is, or begins at. */
  readonly snapshot: SnapshotInfo;
  /** Of what is seen, and the source's clock there. */
  readonly lsn: number;
  readonly time: number;
  readonly writable: boolean;
  readonly address: NbdAddress;
  readonly exports: readonly { readonly volume: string; readonly name: string; readonly size: number }[];
  readonly mountedAt: number;
}

export interface ViewServer {
  /** Returns the address with its actual port. */
  listen(address: NbdAddress): Promise<NbdAddress>;
  connectionsOf(volume: HostVolume): number;
  hangUp(volume: HostVolume): void;
  close(): Promise<void>;
}

export interface WorkerOptions extends Omit<DestinationBackOptions, 'openSnapshots'> {
  readonly viewsAddress: NbdAddress;
  /** What is written to mounts: the folder, made when it is needed, and how many bytes a mount's may take. */
  readonly scratch: { readonly folder: string; readonly size: number };
  readonly openStore: (volumes: readonly SetVolume[]) => SnapshotStore;
  /** Serves what is in the list, as it changes. */
  readonly serve: (volumes: readonly HostVolume[]) => ViewServer;
}

const HEADERS_AT_ONCE = 64;

interface Serving {
  readonly server: ViewServer;
  readonly address: NbdAddress;
}

export class DestinationWorker extends DestinationBack {
  readonly #platform: Pick<Platform, 'clock'>;
  readonly #log: Log;
  readonly #options: WorkerOptions;
  readonly #views: Views;
  /** What the server offers. */
  readonly #volumes: HostVolume[] = [];
  #serving: Serving | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(platform: Pick<Platform, 'clock' | 'files'>, log: Log, options: WorkerOptions) {
    const { folder, size } = options.scratch;
    try {
      removeScratches(platform.files, folder);
    } catch (error) {
      // It is in nobody's way but its own disk's: replication does not need it.
      log.warn(`what an earlier run left in ${folder} cannot be removed: ${describeError(error)}`);
    }
    let scratches = 0;
    const views = new Views(options.groupName, log, () => {
      scratches += 1;
      return new Scratch(platform.files, { folder, number: scratches, size });
    });
    super(platform.files, platform.clock, log, {
      ...options,
      openSnapshots: (volumes) => views.follow(options.openStore(volumes)),
    });
    this.#platform = platform;
    this.#log = log;
    this.#options = options;
    this.#views = views;
  }

  /**
   * Offers a recovery point's volumes. @throws OperatorError as `choosePoint`, `PastState.add` and `Views.open` do,
   * `NBD_ADDRESS`, or why the snapshots cannot be had
   */
  mount(wanted: WantedPoint, writable: boolean): Promise<MountFacts> {
    return this.#inTurn(async () => {
      // Listing opens the store, too.
      const point = choosePoint(await this.snapshots(), wanted);
      const view = this.#views.open(point, { writable, ...(await this.#pastBehind(point, wanted)) });
      try {
        const { address } = (this.#serving ??= await this.#serve());
        this.#volumes.push(...view.volumes.map(({ volume }) => volume));
        this.#log.info(`mounted ${view.name}, ${writable ? 'on a scratch file' : 'read-only'}`, {
          lsn: view.lsn,
        });
        return this.#factsOf(view, address);
      } catch (error) {
        this.#views.close(view);
        throw error;
      }
    });
  }

  /** Between which records any state can be mounted, oldest first; reads the header of each segment that is kept. */
  async windows(): Promise<PastWindow[]> {
    const windows: PastWindow[] = [];
    for (const place of await this.snapshots()) {
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
    return this.#inTurn(async () => {
      const hungUp = this.#end(this.#views.find(name));
      if (this.#views.list().length === 0) await this.#stopServing();
      this.#log.info(`unmounted ${name}`, { hungUp });
      return { name, hungUp };
    });
  }

  override async close(): Promise<void> {
    await this.#inTurn(async () => {
      const views = this.#views.list();
      for (const view of views) this.#end(view);
      await this.#stopServing();
      const names = views.map(({ name }) => name).join(', ');
      if (views.length > 0) this.#log.warn(`mounts end with blockferry: ${names}`);
    });
    await super.close();
  }

  /** What was written between the snapshot and the wanted state; nothing where that is all that there is. */
  async #pastBehind(
    point: SnapshotInfo,
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

  async #serve(): Promise<Serving> {
    const server = this.#options.serve(this.#volumes);
    return { server, address: await server.listen(this.#options.viewsAddress) };
  }

  async #stopServing(): Promise<void> {
    const serving = this.#serving;
    this.#serving = undefined;
    await serving?.server.close();
  }

  /** Returns how many were hung up. */
  #end(view: View): number {
    assert(this.#serving !== undefined, 'what is mounted is served');
    const { server } = this.#serving;
    let hungUp = 0;
    for (const { volume } of view.volumes) {
      this.#volumes.splice(this.#volumes.indexOf(volume), 1);
      hungUp += server.connectionsOf(volume);
      server.hangUp(volume);
    }
    this.#views.close(view);
    return hungUp;
  }

  #factsOf({ name, point, lsn, time, volumes, scratch }: View, address: NbdAddress): MountFacts {
    const exports = volumes.map(({ name: volume, volume: { name: exportName, size } }) => {
      return { volume, name: exportName, size };
    });
    const writable = scratch !== undefined;
    const mountedAt = this.#platform.clock.now();
    return { name, snapshot: point, lsn, time, writable, address, exports, mountedAt };
  }

  /** One at a time: a server that closes keeps its address until it has. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
