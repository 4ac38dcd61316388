/** Recovery points that are served to look at. Known here too, so that a thread that does not answer keeps nobody from the status. */
import type { MountEntry, MountRequest, Unmounted } from '../../api/contract/mounts.ts';
import type { MountStatus } from '../../api/contract/status.ts';
import type { MountFacts } from './served-views.ts';
import { toldSnapshot } from './told-snapshot.ts';

/** A destination's thread, or a source's. */
interface MountWorker {
  mount(point: MountRequest['point'], writable: boolean): Promise<MountFacts>;
  unmount(name: string): Promise<Unmounted>;
}

export class Mounts {
  readonly #worker: MountWorker;
  readonly #mounts = new Map<string, MountEntry>();

  constructor(worker: MountWorker) {
    this.#worker = worker;
  }

  /** @throws OperatorError as `DestinationWorker.mount` does */
  async mount({ point, writable }: MountRequest): Promise<MountEntry> {
    const { snapshot, exports, ...facts } = await this.#worker.mount(point, writable);
    const mount = { ...facts, snapshot: toldSnapshot(snapshot), exports: [...exports] };
    this.#mounts.set(mount.name, mount);
    return mount;
  }

  /** @throws OperatorError `MOUNT_NOT_FOUND` */
  async unmount(mount: string): Promise<Unmounted> {
    const unmounted = await this.#worker.unmount(mount);
    this.#mounts.delete(mount);
    return unmounted;
  }

  /** These ended without being asked to. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#mounts.delete(name);
  }

  list(): MountStatus[] {
    return [...this.#mounts.values()].map(({ name, lsn, time, writable, mountedAt }) => {
      return { name, lsn, time, writable, mountedAt };
    });
  }
}
