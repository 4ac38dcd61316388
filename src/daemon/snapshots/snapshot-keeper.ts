/** Keeps a destination's snapshots to what its retention wants. */
import type { RetentionConfig } from '../../config/config.ts';
import { errorCode } from '../../platform/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { judgeRetention, type RetentionVerdict } from '../../recovery/retention.ts';
import type { SnapshotInfo } from '../../recovery/snapshot-store.ts';
import { TimeZone } from '../../transfer/schedule/zone.ts';

/** Milliseconds. Also a period that ends takes nothing away before the next snapshot comes, so there is no hurry. */
const INTERVAL = 60_000;

export interface KeptSnapshots {
  list(): Promise<readonly SnapshotInfo[]>;
  delete(id: string): Promise<void>;
}

export class SnapshotKeeper {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #snapshots: KeptSnapshots;
  readonly #policy: RetentionConfig;
  readonly #zone: TimeZone;
  #timer: { cancel(): void } | undefined;
  #pass = Promise.resolve();
  #stopped = false;

  constructor(clock: Clock, log: Log, snapshots: KeptSnapshots, policy: RetentionConfig) {
    this.#clock = clock;
    this.#log = log;
    this.#snapshots = snapshots;
    this.#policy = policy;
    this.#zone = new TimeZone(policy.timeZone);
  }

  start(): void {
    this.#timer = this.#clock.after(INTERVAL, () => {
      this.#pass = this.#prune().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  /** Of every snapshot of the present history, newest first, whether it is kept, and why; others stay until somebody deletes them. */
  async judge(): Promise<RetentionVerdict[]> {
    const wallClock = (time: number): number => time + this.#zone.offset(time);
    const present = (await this.#snapshots.list()).filter(({ apart }) => apart === undefined);
    return judgeRetention(present, this.#policy, wallClock);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#pass;
  }

  async #prune(): Promise<void> {
    try {
      for (const { snapshot, keep, why } of await this.judge()) {
        if (!keep && !this.#stopped) await this.#remove(snapshot, why);
      }
    } catch (error) {
      this.#log.warn('snapshots cannot be pruned now', { error: errorCode(error) });
    }
  }

  async #remove({ id, name }: SnapshotInfo, why: string): Promise<void> {
    try {
      await this.#snapshots.delete(id);
      this.#log.info(`snapshot ${name} pruned: ${why}`, { snapshot: id });
    } catch (error) {
      // One that is read goes when it is not; one that somebody deleted meanwhile is gone.
      if (!['SNAPSHOT_IN_USE', 'SNAPSHOT_NOT_FOUND'].includes(errorCode(error))) throw error;
    }
  }
}
