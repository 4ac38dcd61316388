/** A side's snapshots as its operator, its retention and its clock have to do with them: the same at a source and a destination. */
import type { RetentionReport, SnapshotEntry } from '../../api/contract/snapshots.ts';
import type { SnapshotsConfig } from '../../config/config.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Platform } from '../../platform/platform.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';
import { OwnSnapshots, type OwnSnapshotsOptions } from './own-snapshots.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { snapshotTimetable, type Timetable } from '../timetable.ts';
import { toldSnapshot } from './told-snapshot.ts';

export interface SideSnapshotsOptions extends OwnSnapshotsOptions {
  readonly group: string;
  readonly settings: Pick<SnapshotsConfig, 'retention' | 'timedSnapshots'>;
  readonly platform: Pick<Platform, 'clock' | 'random'>;
  readonly log: Log;
  /** Whether retention has a say over it. */
  readonly isJudged: (snapshot: SnapshotInfo) => boolean;
  /** Bytes of each, by its id, as far as it is known. */
  readonly used: () => Promise<ReadonlyMap<string, number>>;
  /** Durable when it resolves. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE` */
  readonly delete: (id: string) => Promise<void>;
}

export class SideSnapshots {
  readonly #options: SideSnapshotsOptions;
  readonly #own: OwnSnapshots;
  readonly #keeper: SnapshotKeeper | undefined;
  readonly #timetable: Timetable;

  constructor(options: SideSnapshotsOptions) {
    this.#options = options;
    const { settings, platform, log, isJudged, list } = options;
    this.#own = new OwnSnapshots(options);
    const judged = {
      list: async () => (await list()).filter(isJudged),
      delete: (id: string) => options.delete(id),
    };
    this.#keeper = settings.retention && new SnapshotKeeper(platform.clock, log, judged, settings.retention);
    this.#timetable = snapshotTimetable(settings.timedSnapshots, platform.clock, log, () =>
      this.#own.createIfNew(),
    );
  }

  start(): void {
    this.#keeper?.start();
    this.#timetable.start();
  }

  async stop(): Promise<void> {
    this.#timetable.stop();
    await this.#keeper?.stop();
  }

  async list(): Promise<SnapshotEntry[]> {
    const listed = await this.#options.list();
    const used = await this.#options.used();
    return listed.map((snapshot) => {
      const bytes = used.get(snapshot.id);
      return { ...toldSnapshot(snapshot), ...(bytes === undefined ? {} : { bytes }) };
    });
  }

  async create(name: string | undefined): Promise<SnapshotEntry> {
    return toldSnapshot(await this.#own.create(name));
  }

  delete(id: string): Promise<void> {
    return this.#options.delete(id);
  }

  /** @throws OperatorError `NO_RETENTION` */
  async retention(): Promise<RetentionReport> {
    if (this.#keeper === undefined) throw noRetention(this.#options.group);
    const verdicts = await this.#keeper.judge();
    return {
      verdicts: verdicts.map((verdict) => ({ ...verdict, snapshot: toldSnapshot(verdict.snapshot) })),
    };
  }
}

function noRetention(group: string): OperatorError {
  return new OperatorError('NO_RETENTION', `group ${group} keeps all its snapshots: it has no retention`, {
    remedy: 'give it one in the configuration, or delete snapshots one by one',
  });
}
