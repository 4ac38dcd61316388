/** What a source is asked as a destination is: about snapshots, which it has of its own where it keeps any. */
import type { MountEntry, MountRequest, Unmounted } from '../api/contract/mounts.ts';
import type { RecoveryPoints } from '../api/contract/points.ts';
import type { RetentionReport, SnapshotEntry } from '../api/contract/snapshots.ts';
import type { SourceStatus } from '../api/contract/status.ts';
import type { SnapshotsConfig } from '../config/config.ts';
import { isNameOfTime } from '../journal/marker-names.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Remote } from '../platform/node/threads.ts';
import type { Platform } from '../platform/platform.ts';
import { Mounts } from './mounts.ts';
import { SideSnapshots } from './side-snapshots.ts';
import type { SourceGroup } from './source-group.ts';
import type { SourceHost } from './source-host.ts';
import type { SourceWorker } from './source-worker.ts';

interface Parts {
  readonly platform: Pick<Platform, 'clock' | 'random'>;
  readonly log: Log;
  readonly back: Remote<SourceWorker>;
  readonly group: Pick<SourceGroup, 'points' | 'checkpoint'>;
  readonly host: Pick<Remote<SourceHost>, 'status'>;
}

interface Held {
  readonly snapshots: SideSnapshots;
  readonly mounts: Mounts;
  readonly group: Parts['group'];
}

export abstract class SourceSide {
  readonly name: string;
  #held: Held | undefined;

  constructor(name: string) {
    this.name = name;
  }

  snapshots(): Promise<SnapshotEntry[]> {
    return this.#ask(({ snapshots }) => snapshots.list());
  }

  points(): Promise<RecoveryPoints> {
    return this.#ask(async ({ snapshots, group }) => {
      const { applied, clock } = group.checkpoint;
      const listed = await snapshots.list();
      return {
        applied: { lsn: applied, time: clock, consistent: true },
        windows: [],
        snapshots: listed.map((entry) => ({ ...entry, named: !isNameOfTime(entry.name) })),
      };
    });
  }

  retention(): Promise<RetentionReport> {
    return this.#ask(({ snapshots }) => snapshots.retention());
  }

  createSnapshot(name: string | undefined): Promise<SnapshotEntry> {
    return this.#ask(({ snapshots }) => snapshots.create(name));
  }

  deleteSnapshot(id: string): Promise<void> {
    return this.#ask(({ snapshots }) => snapshots.delete(id));
  }

  mount(request: MountRequest): Promise<MountEntry> {
    return this.#ask(({ mounts }) => mounts.mount(request));
  }

  unmount(mount: string): Promise<Unmounted> {
    return this.#ask(({ mounts }) => mounts.unmount(mount));
  }

  rehearse(): Promise<never> {
    return Promise.reject(noRehearsalHere(this.name));
  }

  rehearsal(): never {
    throw noRehearsalHere(this.name);
  }

  importSeed(): Promise<never> {
    return Promise.reject(
      new OperatorError('NOT_A_DESTINATION', `group ${this.name} is a source: it is what a seed is made of`, {
        remedy: 'import it at a destination',
      }),
    );
  }

  /** Begins to make and to prune them, if it is to keep any. */
  protected keepSnapshots(settings: SnapshotsConfig | undefined, parts: Parts): void {
    if (settings === undefined) return;
    const { platform, log, back, group, host } = parts;
    const { points } = group;
    assert(points !== undefined, 'the group keeps snapshots');
    const snapshots = new SideSnapshots({
      ...{ group: this.name, settings, platform, log },
      list: () => back.snapshots(),
      isJudged: () => true,
      create: (called) => points.create(called),
      reached: async () => (await host.status()).lsn,
      delete: (id) => points.delete(id),
    });
    const mounts = new Mounts(back);
    this.#held = { snapshots, mounts, group };
    points.onUnmounted = (names) => mounts.forget(names);
    snapshots.start();
  }

  protected async leaveSnapshots(): Promise<void> {
    await this.#held?.snapshots.stop();
  }

  /** Nothing where it keeps none. */
  protected heldStatus({ points }: Pick<SourceGroup, 'points'>): Pick<SourceStatus, 'snapshots' | 'mounts'> {
    if (points === undefined) return {};
    return { snapshots: points.count, mounts: this.#held?.mounts.list() ?? [] };
  }

  async #ask<R>(act: (held: Held) => Promise<R>): Promise<R> {
    if (this.#held === undefined) throw noSnapshotsHere(this.name);
    return act(this.#held);
  }
}

function noSnapshotsHere(group: string): OperatorError {
  return new OperatorError(
    'NO_SNAPSHOTS_HERE',
    `group ${group} is a source that keeps no snapshots: they are at its destinations`,
    {
      remedy:
        'ask there: `blockferry snapshot list`; or give this side `snapshots` in the configuration, to keep some here too',
    },
  );
}

function noRehearsalHere(group: string): OperatorError {
  return new OperatorError('NO_REHEARSAL', `group ${group} is a source: rehearsals are at its destinations`, {
    remedy: 'rehearse there',
  });
}
