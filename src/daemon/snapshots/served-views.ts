/**
 * Recovery points served over NBD, on the thread that destages (I7). The store is opened by others, and every one that is
 * opened goes through `follow`.
 */
import type { HostVolume } from '../../nbd/front-end.ts';
import type { NbdAddress } from '../../nbd/server.ts';
import { assert, describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import { removeScratches, Scratch } from '../../recovery/scratch.ts';
import type { SnapshotInfo, SnapshotStore } from '../../recovery/snapshot-store.ts';
import { Views, type View, type ViewOptions } from '../../recovery/views.ts';

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

export interface ServedViewsOptions {
  readonly groupName: string;
  readonly viewsAddress: NbdAddress;
  /** What is written to mounts: the folder, made when it is needed, and how many bytes a mount's may take. */
  readonly scratch: { readonly folder: string; readonly size: number };
  /** Serves what is in the list, as it changes. */
  readonly serve: (volumes: readonly HostVolume[]) => ViewServer;
}

export interface ChosenPoint {
  readonly point: SnapshotInfo;
  readonly options: ViewOptions;
}

interface Serving {
  readonly server: ViewServer;
  readonly address: NbdAddress;
}

export class ServedViews {
  readonly #platform: Pick<Platform, 'clock'>;
  readonly #log: Log;
  readonly #options: ServedViewsOptions;
  readonly #views: Views;
  /** What the server offers. */
  readonly #volumes: HostVolume[] = [];
  #serving: Serving | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(platform: Pick<Platform, 'clock' | 'files'>, log: Log, options: ServedViewsOptions) {
    this.#platform = platform;
    this.#log = log;
    this.#options = options;
    const { folder, size } = options.scratch;
    try {
      removeScratches(platform.files, folder);
    } catch (error) {
      // It is in nobody's way but its own disk's: replication does not need it.
      log.warn(`what an earlier run left in ${folder} cannot be removed: ${describeError(error)}`);
    }
    let scratches = 0;
    this.#views = new Views(options.groupName, log, () => {
      scratches += 1;
      return new Scratch(platform.files, { folder, number: scratches, size });
    });
  }

  /** What is open is read from this store from now on. */
  follow<T extends SnapshotStore>(store: T): T {
    return this.#views.follow(store);
  }

  /** As `changedBytes`, of the store. */
  changedSince(id: string): number | undefined {
    return this.#views.changedSince(id);
  }

  /** As the store's, if it is open. */
  used(): ReadonlyMap<string, number> {
    return this.#views.used();
  }

  /** Of a snapshot of the store. @throws OperatorError `SNAPSHOT_NOT_FOUND` */
  volumesOf(id: string): string[] {
    return this.#views.volumesOf(id);
  }

  /**
   * Offers the volumes of what `choose` finds. @throws OperatorError as `choose` and `Views.open` do, `NBD_ADDRESS`
   */
  open(choose: () => Promise<ChosenPoint>): Promise<MountFacts> {
    return this.#inTurn(async () => {
      const { point, options } = await choose();
      const view = this.#views.open(point, options);
      try {
        const { address } = (this.#serving ??= await this.#serve());
        this.#volumes.push(...view.volumes.map(({ volume }) => volume));
        this.#log.info(`mounted ${view.name}, ${options.writable ? 'on a scratch file' : 'read-only'}`, {
          lsn: view.lsn,
        });
        return this.#factsOf(view, address);
      } catch (error) {
        this.#views.close(view);
        throw error;
      }
    });
  }

  /** Who uses it is hung up. @throws OperatorError `MOUNT_NOT_FOUND` */
  end(name: string): Promise<{ readonly name: string; readonly hungUp: number }> {
    return this.#inTurn(async () => {
      const hungUp = this.#end(this.#views.find(name));
      if (this.#views.list().length === 0) await this.#stopServing();
      this.#log.info(`unmounted ${name}`, { hungUp });
      return { name, hungUp };
    });
  }

  /** All that begin at this snapshot; their names. */
  endThoseOf(snapshot: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const views = this.#views.list().filter(({ point }) => point.id === snapshot);
      for (const view of views) this.#end(view);
      if (this.#views.list().length === 0) await this.#stopServing();
      return views.map(({ name }) => name);
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      const views = this.#views.list();
      for (const view of views) this.#end(view);
      await this.#stopServing();
      const names = views.map(({ name }) => name).join(', ');
      if (views.length > 0) this.#log.warn(`mounts end with blockferry: ${names}`);
    });
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
