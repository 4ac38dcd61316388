/** Recovery points that are served to look at. Known here too, so that a thread that does not answer keeps nobody from the status. */
import type { MountEntry, MountRequest, Unmounted } from '../api/contract/mounts.ts';
import type { MountStatus } from '../api/contract/status.ts';
import type { Remote } from '../platform/node/threads.ts';
import type { DestinationWorker } from './destination-worker.ts';
import { toldSnapshot } from './told-snapshot.ts';

export class Mounts {
  readonly #worker: Pick<Remote<DestinationWorker>, 'mount' | 'unmount'>;
  readonly #mounts = new Map<string, MountEntry>();

  constructor(worker: Pick<Remote<DestinationWorker>, 'mount' | 'unmount'>) {
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

  list(): MountStatus[] {
    return [...this.#mounts.values()].map(({ name, lsn, time, writable, mountedAt }) => {
      return { name, lsn, time, writable, mountedAt };
    });
  }
}
