/** Recovery points that a side makes by itself, in between markers. */
import type { Lsn } from '../../journal/ids.ts';
import { nameAt } from '../../journal/marker-names.ts';
import { assert } from '../../platform/errors.ts';
import type { Platform } from '../../platform/platform.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';

export interface OwnSnapshotsOptions {
  readonly platform: Pick<Platform, 'clock' | 'random'>;
  readonly list: () => Promise<readonly SnapshotInfo[]>;
  /** Durable when it resolves. */
  readonly create: (called: { readonly id: string; readonly name: string }) => Promise<unknown>;
  /** The last record that one made now would hold. */
  readonly reached: () => Lsn | Promise<Lsn>;
}

export class OwnSnapshots {
  readonly #options: OwnSnapshotsOptions;

  constructor(options: OwnSnapshotsOptions) {
    this.#options = options;
  }

  /** @throws OperatorError `SNAPSHOT_LIMIT`, and why this side has nothing to make one of */
  async create(name: string | undefined): Promise<SnapshotInfo> {
    const { platform, create, list } = this.#options;
    const id = platform.random.bytes(16).toString('hex');
    await create({ id, name: name ?? nameAt(platform.clock.now()) });
    const made = (await list()).find((snapshot) => snapshot.id === id);
    assert(made !== undefined, 'a snapshot that was made is there');
    return made;
  }

  /** At its time. One of what is reached is there already where nothing was added since. */
  async createIfNew(): Promise<void> {
    const reached = await this.#options.reached();
    const snapshots = await this.#options.list();
    if (snapshots.every(({ lsn, apart }) => lsn < reached || apart === true)) await this.create(undefined);
  }
}
