/**
 * What decides over a source's own snapshots: those made on demand are cut at a point of their own, and before hosts have to
 * wait because there is no room to keep what they overwrite, snapshots go (I8).
 */
import { RAWS_SURE } from '../../capture/raw-pool.ts';
import { Tidying } from '../../destage/tidying.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import type { Lsn } from '../../journal/ids.ts';
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { Clock } from '../../platform/clock.ts';
import { describeError, errorCode, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import type { ApplyResult } from '../source-back/source-back-facts.ts';
import type { SourceHost } from './source-host.ts';
import type { SourceWorker } from '../source-back/source-worker.ts';

/** Raw segments that are not destaged, from which on hosts come before snapshots. */
const PRESSING = RAWS_SURE / 2;

/** Milliseconds that a snapshot on demand waits for what is before it to be destaged. */
const CREATE_LIMIT = 60_000;

/** Why destaging fails that goes on once there is a snapshot less. */
const FOR_WANT_OF_ROOM = ['ENOSPC', 'EDQUOT', 'SNAPSHOT_LIMIT'];

export interface SourcePointsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly waits: Waits;
  readonly host: Pick<Remote<SourceHost>, 'cutPoint'>;
  readonly back: Remote<SourceWorker>;
  /** Snapshots that there are. */
  readonly count: number;
  /** Raw segments that are closed and not destaged. */
  readonly undestaged: () => number;
  /** Not while the volumes are brought back to one: nobody is served whom that would help. */
  readonly mayGiveUp: () => boolean;
}

interface Wanted {
  readonly id: string;
  readonly name: string;
  readonly made: PromiseWithResolvers<undefined>;
}

export class SourcePoints {
  readonly #options: SourcePointsOptions;
  readonly #tidying: Tidying;
  #count: number;
  /** Asked for, and no point cut for them yet. */
  readonly #wanted: Wanted[] = [];
  readonly #cut = new Map<Lsn, { readonly wanted: Wanted; readonly point: CopyPoint }>();
  #tidies = false;
  #stopped = false;
  /** Told of mounts that ended with their snapshot. */
  onUnmounted: (names: readonly string[]) => void = () => undefined;

  constructor(options: SourcePointsOptions) {
    this.#options = options;
    this.#count = options.count;
    const { clock, log, back } = options;
    this.#tidying = new Tidying(clock, back, (error) => {
      if (error !== undefined)
        log.warn(`what deleted snapshots took cannot be freed yet: ${describeError(error)}`);
    });
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Destages; where a snapshot is in the way and hosts would have to wait, without it. @throws as `SourceBack.apply` */
  async apply(raw: ClosedRaw): Promise<ApplyResult> {
    for (;;) {
      try {
        const result = await this.#options.back.apply(raw);
        this.#counted(result.snapshots);
        return result;
      } catch (error) {
        const isPressing = this.#options.undestaged() >= PRESSING && this.#options.mayGiveUp();
        if (!FOR_WANT_OF_ROOM.includes(errorCode(error)) || !isPressing) throw error;
        if (!(await this.#giveUp(describeError(error)))) throw error;
      }
    }
  }

  /** The segment that ends with this point is handed on after this. */
  pointCut(point: CopyPoint): void {
    const wanted = this.#wanted.shift();
    if (wanted !== undefined) this.#cut.set(point.lsn, { wanted, point });
  }

  /** The volumes hold what is up to this record, and nothing behind it. */
  async destaged(last: Lsn): Promise<void> {
    const cut = this.#cut.get(last);
    if (cut === undefined) return;
    this.#cut.delete(last);
    const { id, name, made } = cut.wanted;
    try {
      this.#counted(await this.#options.back.createSnapshot({ id, name, ...cut.point }));
      made.resolve(undefined);
    } catch (error) {
      made.reject(error);
    }
  }

  /** Of all that hosts have written by now; durable when this resolves. @throws OperatorError `ENOSPC`, `SNAPSHOT_LIMIT`, `SNAPSHOT_LATE`, `GROUP_STOPPED` */
  async create(called: { readonly id: string; readonly name: string }): Promise<void> {
    const { clock, host } = this.#options;
    const made = Promise.withResolvers<undefined>();
    if (this.#stopped) throw stopped();
    const wanted = { ...called, made };
    this.#wanted.push(wanted);
    const timer = clock.after(CREATE_LIMIT, () => made.reject(late()));
    try {
      await Promise.all([host.cutPoint(), made.promise]);
    } finally {
      timer.cancel();
      this.#forget(wanted);
    }
  }

  /** Durable when this resolves. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE`, `ENOSPC` */
  async delete(id: string): Promise<void> {
    this.#count = await this.#options.back.deleteSnapshot(id);
    this.#tidying.note();
    this.tidy();
  }

  /** What deleting left to do is done, a step at a time. */
  tidy(): void {
    if (this.#tidies) return;
    this.#tidies = true;
    void this.#tidyAll().finally(() => (this.#tidies = false));
  }

  stop(): void {
    this.#stopped = true;
    const waiting = [...this.#wanted, ...[...this.#cut.values()].map(({ wanted }) => wanted)];
    for (const { made } of waiting) made.reject(stopped());
  }

  async #tidyAll(): Promise<void> {
    while (!this.#stopped && (await this.#tidying.step()));
  }

  #forget(wanted: Wanted): void {
    const at = this.#wanted.indexOf(wanted);
    if (at >= 0) this.#wanted.splice(at, 1);
    for (const [lsn, cut] of this.#cut) if (cut.wanted === wanted) this.#cut.delete(lsn);
  }

  #counted(count: number): void {
    if (count > this.#count) this.#options.waits.clear('snapshots-given-up');
    this.#count = count;
  }

  async #giveUp(why: string): Promise<boolean> {
    const { back, log, waits } = this.#options;
    const given = await back.giveUpSnapshot();
    if (given === undefined) return false;
    const { what, name, lsn, unmounted } = given;
    if (what === 'snapshot') this.#count -= 1;
    const lost =
      what === 'snapshot'
        ? `snapshot ${name} at LSN ${lsn} is deleted`
        : `no snapshot is made at marker ${name}`;
    const message = `${lost} so that hosts need not wait: ${why}`;
    this.onUnmounted(unmounted);
    log.error(message, unmounted.length === 0 ? {} : { unmounted: unmounted.join(', ') });
    waits.raise('snapshots-given-up', message);
    if (what === 'marker') return true;
    this.#tidying.note();
    // Only once it is told what was lost, for this may fail. Of the oldest nothing is needed: what it took is free at once.
    await back.tidySnapshots();
    return true;
  }
}

function late(): OperatorError {
  return new OperatorError(
    'SNAPSHOT_LATE',
    `what was written before it did not reach the volumes within ${CREATE_LIMIT / 1000} s: no snapshot is made`,
    { remedy: '`blockferry status` says what it waits for; say it again then', retryable: true },
  );
}

function stopped(): OperatorError {
  return new OperatorError('GROUP_STOPPED', 'the group stopped before the snapshot was made', {
    remedy: 'say it again once the group runs',
  });
}
