/** Recovery points that a destination makes by itself, in between the markers of its source. */
import type { DestinationGroup } from '../destage/destination-group.ts';
import type { SnapshotFacts } from '../destage/snapshots.ts';
import { nameAt } from '../journal/marker-names.ts';
import { assert } from '../platform/errors.ts';
import type { Platform } from '../platform/platform.ts';

export interface OwnSnapshotsOptions {
  readonly platform: Pick<Platform, 'clock' | 'random'>;
  readonly group: Pick<DestinationGroup, 'createSnapshot' | 'report'>;
  readonly list: () => Promise<readonly SnapshotFacts[]>;
}

export class OwnSnapshots {
  readonly #options: OwnSnapshotsOptions;

  constructor(options: OwnSnapshotsOptions) {
    this.#options = options;
  }

  /** @throws OperatorError `GROUP_NOT_CONSISTENT`, `VOLUMES_AHEAD`, `SNAPSHOT_LIMIT` */
  async create(name: string | undefined): Promise<SnapshotFacts> {
    const { platform, group, list } = this.#options;
    const id = platform.random.bytes(16).toString('hex');
    await group.createSnapshot({ id, name: name ?? nameAt(platform.clock.now()) });
    const made = (await list()).find((snapshot) => snapshot.id === id);
    assert(made !== undefined, 'a snapshot that was made is there');
    return made;
  }

  /** At its time. One of what was applied is there already where nothing was applied since. */
  async createIfNew(): Promise<void> {
    const { applied } = this.#options.group.report().facts.state;
    const snapshots = await this.#options.list();
    if (snapshots.every(({ lsn }) => lsn < applied)) await this.create(undefined);
  }
}
