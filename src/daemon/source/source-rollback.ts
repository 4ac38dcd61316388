/**
 * Brings a source's volumes back to one of its snapshots, before hosts are served. It is written: where the volumes differ, what
 * the snapshot holds goes into the journal as a host's writes do. So the destinations follow, and no recovery point is lost.
 *
 * I10: what the volumes held is a snapshot before anything is written over it, here, and at the destinations where they get every
 *      write in order.
 * I6: it is noted in the group's folder, and begins again after a crash; what is the same by then is not written again.
 */
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError, errorCode } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { DifferenceStep } from '../../recovery/difference.ts';
import { removeRollback, writeRollback, type Rollback } from '../roles/rollback-file.ts';
import { noSnapshotsHere } from '../roles/role-errors.ts';
import type { SourceGroup } from './source-group.ts';
import type { SourceHost } from './source-host.ts';
import type { SourcePoints } from './source-points.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';

/** Milliseconds. */
const RETRY = 2000;
const LOOK = 50;

export interface SourceRollbackOptions {
  readonly platform: { readonly clock: Clock; readonly files: Files };
  readonly log: Log;
  /** The group's. */
  readonly name: string;
  readonly folder: string;
  readonly host: Pick<Remote<SourceHost>, 'rewrite' | 'closeSegment' | 'stopRewriting'>;
  readonly back: Pick<Remote<SourceWorker>, 'snapshots' | 'beginRollback' | 'readDifference' | 'endRollback'>;
  readonly group: Pick<SourceGroup, 'points' | 'waits' | 'mode' | 'checkpoint' | 'placeMarker'>;
  /** The volumes are what they were. */
  readonly onBack: () => void;
  /** Hosts may come. */
  readonly serve: () => Promise<void>;
}

export class SourceRollback {
  readonly #options: SourceRollbackOptions;
  #rollback: Rollback;
  readonly #stop = new AbortController();
  /** Markers that were placed. */
  readonly #placed = new Set<string>();
  #isDone = false;
  #isServed = false;

  constructor(rollback: Rollback, options: SourceRollbackOptions) {
    this.#rollback = rollback;
    this.#options = options;
  }

  /** Nobody is served as long. */
  get isUnderWay(): boolean {
    return !this.#isServed;
  }

  start(): void {
    this.#tell(0);
    void this.#run();
  }

  /** Nothing more is written when this resolves; it goes on at the next start. */
  async stop(): Promise<void> {
    const { host, log } = this.#options;
    this.#stop.abort();
    await host.stopRewriting().catch((error: unknown) => log.debug(describeError(error)));
  }

  async #run(): Promise<void> {
    const { log, group, platform } = this.#options;
    while (!this.#stopped()) {
      try {
        if (!this.#isDone) await this.#bringBack();
        if (this.#stopped()) return;
        await this.#options.serve();
        this.#isServed = true;
        for (const wait of ['rolling-back', 'rollback-failed'] as const) group.waits.clear(wait);
        return;
      } catch (error) {
        // A thread that has ended has been reported.
        if (this.#stopped() || errorCode(error) === 'THREAD_ENDED') return;
        const why = `${this.#what} cannot go on: ${describeError(error)}`;
        if (group.waits.raise('rollback-failed', why)) log.error(why);
        await sleep(platform.clock, RETRY, this.#stop.signal);
      }
    }
  }

  async #bringBack(): Promise<void> {
    const { platform, name, folder, log, host, group } = this.#options;
    // The configuration may have changed since.
    if (group.points === undefined) throw noSnapshotsHere(name);
    if (!this.#rollback.begun) await this.#keep(group.points);
    if (this.#stopped() || !(await this.#write())) return;
    await host.closeSegment();
    await this.#mark(this.#rollback.done);
    if (this.#stopped()) return;
    removeRollback(platform.files, folder);
    this.#isDone = true;
    this.#options.onBack();
    const { point, kept } = this.#rollback;
    log.warn(`the volumes are what they were at ${point.name}`, { lsn: point.lsn, before: kept.name });
  }

  /** I10: and only once it is sure to be there is anything written. */
  async #keep(points: SourcePoints): Promise<void> {
    const { platform, folder, back } = this.#options;
    const { kept } = this.#rollback;
    await this.#mark(kept);
    if (!(await this.#settle())) return;
    // The marker has made it, as a rule.
    if (!(await back.snapshots()).some(({ id }) => id === kept.id)) await points.create(kept);
    if (this.#stopped()) return;
    const begun = { ...this.#rollback, begun: true };
    writeRollback(platform.files, folder, begun);
    this.#rollback = begun;
  }

  /** Once, at the destinations too. In another mode they keep what they had by themselves, before more is brought over. */
  async #mark(marker: { readonly id: string; readonly name: string }): Promise<void> {
    const { group, log } = this.#options;
    if (group.mode !== 'journal' || this.#placed.has(marker.id)) return;
    this.#placed.add(marker.id);
    await group
      .placeMarker({ ...marker, kind: 'snapshot' })
      .catch((error: unknown) =>
        log.warn(`the destinations make no snapshot ${marker.name}: ${describeError(error)}`),
      );
  }

  /** All that there is is in the volumes. False: it was stopped. */
  async #settle(): Promise<boolean> {
    const { platform, host, group } = this.#options;
    const last = await host.closeSegment();
    while (!this.#stopped() && group.checkpoint.applied < last)
      await sleep(platform.clock, LOOK, this.#stop.signal);
    return !this.#stopped();
  }

  /** False: it was stopped. */
  async #write(): Promise<boolean> {
    const { host, back } = this.#options;
    if (!(await this.#settle())) return false;
    await back.beginRollback(this.#rollback.point);
    for (let step: DifferenceStep | undefined; step?.isLast !== true;) {
      step = await back.readDifference();
      if (this.#stopped() || !(await host.rewrite(step.pieces))) return false;
      this.#tell(step.total === 0 ? 1 : step.done / step.total);
    }
    await back.endRollback();
    return true;
  }

  #tell(part: number): void {
    const { waits } = this.#options.group;
    const kept = this.#rollback.begun ? `; what was before is snapshot ${this.#rollback.kept.name}` : '';
    waits.clear('rollback-failed');
    waits.raise('rolling-back', `${this.#what}: ${Math.floor(part * 100)} % compared${kept}`);
  }

  get #what(): string {
    const { name, time } = this.#rollback.point;
    return `the way back to ${name}, of ${new Date(time).toISOString()}`;
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }
}
