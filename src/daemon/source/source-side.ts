/** What a source is asked as a destination is: about snapshots, which it has of its own where it keeps any. */
import type { MountEntry, MountRequest, Unmounted } from '../../api/contract/mounts.ts';
import type { RecoveryPoints } from '../../api/contract/points.ts';
import type { RetentionReport, SnapshotEntry } from '../../api/contract/snapshots.ts';
import type { SourceStatus } from '../../api/contract/status.ts';
import type { SnapshotsConfig } from '../../config/config.ts';
import { isNameOfTime } from '../../journal/marker-names.ts';
import { assert, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Platform } from '../../platform/platform.ts';
import type { WantedPoint } from '../../recovery/choose-point.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';
import { Mounts } from '../snapshots/mounts.ts';
import type { OtherSide } from './other-side.ts';
import { noSnapshotsHere, rollingBack } from '../roles/role-errors.ts';
import { SideSnapshots } from '../snapshots/side-snapshots.ts';
import type { SourceGroup } from './source-group.ts';
import type { SourceHost } from './source-host.ts';
import { SourceRollback } from './source-rollback.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';
import { toldSnapshot } from '../snapshots/told-snapshot.ts';

/** What a run of the group gives it. */
export interface SideParts {
  readonly platform: Pick<Platform, 'clock' | 'random' | 'files'>;
  readonly log: Log;
  readonly back: Remote<SourceWorker>;
  readonly group: SourceGroup;
  readonly host: Remote<SourceHost>;
}

interface Held {
  readonly snapshots: SideSnapshots;
  readonly mounts: Mounts;
  readonly group: SideParts['group'];
  readonly back: SideParts['back'];
}

export abstract class SourceSide {
  readonly name: string;
  /** How many want every snapshot kept: the volumes are to be brought back to one. None goes by itself meanwhile. */
  #holds: number;
  #held: Held | undefined;
  #rollback: SourceRollback | undefined;
  readonly #asked = new Set<Promise<unknown>>();

  /** `isGoingBack`: the volumes are to be brought back to one of its snapshots before hosts come. */
  constructor(name: string, isGoingBack: boolean) {
    this.name = name;
    this.#holds = isGoingBack ? 1 : 0;
  }

  /** Resolves when the group can be asked for anything. */
  protected abstract steady(): Promise<unknown>;

  snapshots(): Promise<SnapshotEntry[]> {
    return this.#ask(({ snapshots }) => snapshots.list());
  }

  points(): Promise<RecoveryPoints> {
    return this.#ask(async ({ back, group }) => {
      const { applied, clock } = group.checkpoint;
      const listed = await back.snapshots();
      return {
        applied: { lsn: applied, time: clock, consistent: true },
        windows: [],
        markers: [],
        snapshots: listed.map((info) => ({ ...toldSnapshot(info), named: !isNameOfTime(info.name) })),
      };
    });
  }

  retention(): Promise<RetentionReport> {
    return this.#ask(({ snapshots }) => snapshots.retention());
  }

  async createSnapshot(name: string | undefined): Promise<SnapshotEntry> {
    this.refuseWhileRollingBack();
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

  holdSnapshots(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
    };
  }

  rollbackPoint(wanted: WantedPoint): Promise<SnapshotInfo> {
    return this.#ask(({ back }) => back.rollbackPoint(wanted));
  }

  changedSince(snapshot: string): Promise<number | undefined> {
    return this.#ask(({ back }) => back.changedSince(snapshot));
  }

  get isRollingBack(): boolean {
    return this.#rollback?.isUnderWay === true;
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

  /** The volumes are brought back to a recovery point, if they are to be, and hosts are served after that. */
  protected rollBack(other: Pick<OtherSide, 'rollback' | 'serve'>, folder: string, parts: SideParts): void {
    if (other.rollback === undefined) return;
    const serve = (): Promise<void> => other.serve();
    const onBack = (): void => {
      this.#holds -= 1;
    };
    this.#rollback = new SourceRollback(other.rollback, { ...parts, name: this.name, folder, serve, onBack });
    this.#rollback.start();
  }

  /** Begins to make and to prune them, if it is to keep any. */
  protected keepSnapshots(settings: SnapshotsConfig | undefined, parts: SideParts): void {
    if (settings === undefined) return;
    const { platform, log, back, group, host } = parts;
    const { points } = group;
    assert(points !== undefined, 'the group keeps snapshots');
    const snapshots = new SideSnapshots({
      ...{ group: this.name, settings, platform, log },
      list: () => back.snapshots(),
      used: () => back.snapshotsUsed(),
      isJudged: () => this.mayGiveUpSnapshots,
      create: (called) => {
        this.refuseWhileRollingBack();
        return this.#during(points.create(called));
      },
      reached: async () => (await host.status()).lsn,
      delete: (id) => points.delete(id),
    });
    const mounts = new Mounts(back);
    this.#held = { snapshots, mounts, group, back };
    points.onUnmounted = (names) => mounts.forget(names);
    snapshots.start();
  }

  /** It goes on at the next start. Nothing more is written when this resolves. */
  protected async stopRollingBack(): Promise<void> {
    await this.#rollback?.stop();
  }

  protected get mayGiveUpSnapshots(): boolean {
    return this.#holds === 0;
  }

  /** What the volumes are meanwhile is no recovery point. @throws OperatorError `ROLLING_BACK` */
  protected refuseWhileRollingBack(): void {
    if (this.isRollingBack) throw rollingBack(this.name);
  }

  /** None is made or pruned by itself any more, and nothing that was asked for is under way. */
  protected async leaveSnapshots(): Promise<void> {
    await this.stopSnapshots();
    while (this.#asked.size > 0) await Promise.allSettled(this.#asked);
  }

  protected async stopSnapshots(): Promise<void> {
    await this.#held?.snapshots.stop();
  }

  /** Whether somebody may be looking at a snapshot. */
  protected get isLookedAt(): boolean {
    return this.#held !== undefined && this.#held.mounts.list().length > 0;
  }

  /** Nothing where it keeps none. */
  protected heldStatus({ points }: Pick<SourceGroup, 'points'>): Pick<SourceStatus, 'snapshots' | 'mounts'> {
    if (points === undefined) return {};
    return { snapshots: points.count, mounts: this.#held?.mounts.list() ?? [] };
  }

  async #ask<R>(act: (held: Held) => Promise<R>): Promise<R> {
    await this.steady();
    if (this.#held === undefined) throw noSnapshotsHere(this.name);
    return this.#during(act(this.#held));
  }

  #during<R>(asked: Promise<R>): Promise<R> {
    this.#asked.add(asked);
    return asked.finally(() => this.#asked.delete(asked));
  }
}

function noRehearsalHere(group: string): OperatorError {
  return new OperatorError('NO_REHEARSAL', `group ${group} is a source: rehearsals are at its destinations`, {
    remedy: 'rehearse there',
  });
}
