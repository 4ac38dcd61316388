/**
 * Snapshot-assisted replication: what hosts write is marked alone, and on an interval what was marked is brought over as of
 * one point in time, so that destinations go from one consistent point to the next and get each block once.
 *
 * The point is a record of the journal. Once all before it is in the source's own volumes, and nothing behind it, they are
 * kept as they are (`PointSnapshot`), and what is marked is read there and shipped between an init-begin and an init-end record.
 * A delta that cannot go on is given up: nothing loses its mark, hosts never notice, and the next one has a point of its own.
 */
import type { CopyStatus, IntervalStatus } from '../../api/contract/status.ts';
import type { PointPiece } from '../../capture/point-copier.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import type { Lsn } from '../../journal/ids.ts';
import { LSN_NONE } from '../../journal/ids.ts';
import type { MarkerPayload } from '../../journal/record.ts';
import { isShippedConsistent } from '../../journal/seal.ts';
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError, errorCode, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import { Rate } from '../../transfer/rate.ts';
import { copyRoom } from '../buffer/buffer-policy.ts';
import { firstDue, intervalDecision } from './interval-decision.ts';
import type { PointBatch } from '../source-back/point-snapshot.ts';
import type { ReplicationMode, SealedState } from './replication-mode.ts';
import type { ToBring } from '../source-back/source-back-facts.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { SourceHost } from './source-host.ts';

/** Milliseconds until what the volumes held is read again after that failed. */
const RETRY = 2000;

export interface SourceIntervalOptions {
  readonly group: { readonly name: string };
  readonly clock: Clock;
  /** Milliseconds. */
  readonly every: number;
  /** Bytes that the buffer may take; it changes as it runs. */
  readonly quota: () => number;
  /** The most that sealing one raw segment can add to the buffer, bytes. */
  readonly segmentBytesMax: number;
  /** Bytes of sealed segments. */
  readonly used: () => number;
  /** What every destination has applied; undefined: there are none. */
  readonly applied: () => Lsn | undefined;
}

/** A marker that is to fire behind a delta. */
interface Carried {
  readonly marker: MarkerPayload;
  readonly placed: PromiseWithResolvers<{ readonly lsn: Lsn; readonly time: number }>;
}

/** One on its way. It is the current one as long as it is `#delta`: what an older one still waits for is called off. */
interface Delta {
  step: 'cutting' | 'cut' | 'copying' | 'ended';
  readonly carried: Carried | undefined;
  point: CopyPoint | undefined;
  /** Of the init-end record, once it is in the journal. */
  end: Lsn;
  /** Bytes. */
  total: number;
  left: number;
}

export class SourceInterval implements ReplicationMode {
  readonly #log: Log;
  readonly #waits: Waits;
  readonly #host: Remote<SourceHost>;
  readonly #back: Remote<SourceBack>;
  readonly #options: SourceIntervalOptions;
  #every: number;
  #sealed: SealedState;
  /** Bytes of raw segments that were sealed since the start. */
  #sealedBytes = 0;
  #delta: Delta | undefined;
  /** Monotonic: the interval that runs began then. */
  #since: number;
  #skipped = 0;
  readonly #rate = new Rate();
  readonly #stopped = new AbortController();
  #last = Promise.resolve();

  constructor(
    log: Log,
    waits: Waits,
    threads: { readonly host: Remote<SourceHost>; readonly back: Remote<SourceBack> },
    opened: SealedState,
    options: SourceIntervalOptions,
  ) {
    this.#log = log;
    this.#waits = waits;
    this.#host = threads.host;
    this.#back = threads.back;
    this.#sealed = opened;
    this.#options = options;
    const { clock, every } = options;
    this.#every = every;
    const before = opened.checkpoint.copyPoint?.time ?? 0;
    const due = this.#isConsistent ? firstDue({ every, now: clock.now(), before }) : 0;
    this.#since = clock.monotonic() + due - every;
  }

  get mode(): ReplicationMode['mode'] {
    if (this.#sealed.checkpoint.copyEnded === LSN_NONE) return 'initializing';
    return this.#delta === undefined && this.#isConsistent ? 'snapshot-assisted' : 'delta';
  }

  get copy(): CopyStatus | undefined {
    const delta = this.#delta;
    if (delta?.step !== 'copying' && delta?.step !== 'ended') return { left: this.#sealed.marked };
    const { total, left } = delta;
    const rate = this.#rate.perSecond(this.#options.clock.monotonic());
    return { left, total, rate, ...(rate === 0 ? {} : { timeLeftSeconds: left / rate }) };
  }

  get interval(): IntervalStatus {
    const { clock } = this.#options;
    const { copyPoint } = this.#sealed.checkpoint;
    return {
      everySeconds: this.#every / 1000,
      nextAt: Math.round(clock.now() + Math.max(0, this.#dueAt - clock.monotonic())),
      skipped: this.#skipped,
      ...(copyPoint !== null && this.#isConsistent
        ? { point: { lsn: copyPoint.lsn, time: copyPoint.time } }
        : {}),
    };
  }

  /** What was only marked is never shipped as it is. */
  lastToShip(last: Lsn): Lsn {
    const { checkpoint, marked } = this.#sealed;
    return marked === 0 && this.#isConsistent ? checkpoint.shipped : last;
  }

  get shipping(): boolean {
    return this.#delta?.step === 'copying' || this.#delta?.step === 'ended';
  }

  govern(): Promise<void> {
    return this.#serially(() => this.#govern());
  }

  closed(): void {
    // When the point is sealed is what counts.
  }

  async sealed(
    state: SealedState,
    { last, end }: { readonly last: Lsn; readonly end: number },
  ): Promise<void> {
    this.#sealed = state;
    this.#sealedBytes += end;
    const delta = this.#delta;
    if (delta?.step === 'cut' && delta.point?.lsn === last)
      delta.total = delta.left = await this.#back.markPoint();
  }

  async destaged(last: Lsn): Promise<void> {
    const delta = this.#delta;
    if (delta?.step !== 'cut' || delta.point?.lsn !== last) return;
    try {
      await this.#back.cutPoint(delta.point);
    } catch (error) {
      await this.#giveUp(delta, describeError(error));
      return;
    }
    if (this.#delta !== delta) return;
    delta.step = 'copying';
    // Not waited for: it may need room in the journal, which comes of sealing and destaging.
    void this.#run(delta, delta.point);
  }

  copied(): void {
    // Of a copy in step with live writes, of which there is none.
  }

  pointCut(point: CopyPoint): void {
    const delta = this.#delta;
    if (delta?.step !== 'cutting') return;
    delta.step = 'cut';
    delta.point = point;
  }

  bringOver(mark: () => Promise<ToBring>): Promise<void> {
    return this.#serially(async () => {
      const toBring = await mark();
      // Behind it: segments may have been sealed meanwhile.
      this.#sealed = { ...this.#sealed, ...toBring };
      this.#log.info('more is to be brought over', { bytes: this.#sealed.marked });
      this.#since = this.#options.clock.monotonic() - this.#every;
    });
  }

  diskFull(sentence: string): Promise<void> {
    return this.#serially(async () => {
      this.#waits.raise('buffer-disk-full', sentence);
      if (this.#delta !== undefined) await this.#callOff(this.#delta, sentence);
    });
  }

  diskHasRoom(): Promise<void> {
    this.#waits.clear('buffer-disk-full');
    return Promise.resolve();
  }

  /** @throws OperatorError `DELTA_UNDER_WAY`, `DELTA_GIVEN_UP`, `GROUP_STOPPED` */
  placeMarker(marker: MarkerPayload): Promise<{ readonly lsn: Lsn; readonly time: number }> {
    const { name } = this.#options.group;
    if (this.#delta !== undefined) {
      const error = new OperatorError('DELTA_UNDER_WAY', `a delta of group ${name} is being brought over`, {
        remedy:
          'place the marker again when it is done: it then gets a delta of its own; `blockferry status` shows how far it is',
        retryable: true,
      });
      return Promise.reject(error);
    }
    const placed = Promise.withResolvers<{ readonly lsn: Lsn; readonly time: number }>();
    this.#cut({ marker, placed });
    return placed.promise;
  }

  setEvery(every: number): void {
    this.#every = every;
  }

  stop(): void {
    this.#stopped.abort();
    const { name } = this.#options.group;
    const message = `group ${name} stopped before the marker was placed: it does not fire`;
    this.#delta?.carried?.placed.reject(new OperatorError('GROUP_STOPPED', message));
    this.#delta = undefined;
  }

  get #dueAt(): number {
    return this.#since + this.#every;
  }

  get #isConsistent(): boolean {
    return isShippedConsistent(this.#sealed.checkpoint);
  }

  #serially(action: () => Promise<void>): Promise<void> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #govern(): Promise<void> {
    const { quota, segmentBytesMax, clock, applied } = this.#options;
    const room = copyRoom({ used: this.#options.used(), quota: quota(), segmentBytesMax });
    await this.#host.limitCopy(this.#sealedBytes + room);
    const { checkpoint, marked } = this.#sealed;
    const delta = this.#delta;
    if (delta?.step === 'ended' && checkpoint.digested >= delta.end) await this.#finish();
    const now = clock.monotonic();
    const decision = intervalDecision({
      now,
      dueAt: this.#dueAt,
      isIdle: this.#delta === undefined,
      isChanged: marked > 0,
      isConsistent: this.#isConsistent,
      ended: checkpoint.copyEnded,
      applied: applied(),
    });
    if (decision === 'wait' || this.#stopped.signal.aborted) return;
    if (decision === 'cut') this.#cut(undefined);
    else {
      this.#since = now;
      if (decision === 'skip') this.#skip();
    }
  }

  #skip(): void {
    this.#skipped += 1;
    const where =
      this.#delta === undefined ? 'not applied by every destination yet' : 'still being brought over';
    const message = `the delta before is ${where}: ${this.#skipped} of the intervals since the start were skipped`;
    this.#log.warn(message);
    this.#waits.raise('interval-skipped', message);
  }

  #cut(carried: Carried | undefined): void {
    const delta: Delta = { step: 'cutting', carried, point: undefined, end: LSN_NONE, total: 0, left: 0 };
    this.#delta = delta;
    this.#since = this.#options.clock.monotonic();
    this.#host.cutPoint().catch((error: unknown) => this.#giveUp(delta, describeError(error)));
  }

  async #run(delta: Delta, point: CopyPoint): Promise<void> {
    try {
      this.#log.info('delta begins', { bytes: delta.total, point: point.lsn });
      const begin = await this.#host.beginPoint(point);
      if (begin === undefined || !(await this.#copyAll(delta, begin))) return;
      await this.#back.dropPoint();
      const { carried } = delta;
      const marker = carried === undefined ? undefined : { ...carried.marker, time: point.time };
      const ended = await this.#host.endPoint(begin, marker);
      if (ended === undefined || this.#delta !== delta) return;
      delta.end = ended.end;
      delta.step = 'ended';
      carried?.placed.resolve({ lsn: ended.marker ?? ended.end, time: point.time });
      await this.govern();
    } catch (error) {
      await this.#giveUp(delta, describeError(error));
    }
  }

  /** False: it was called off. */
  async #copyAll(delta: Delta, begin: Lsn): Promise<boolean> {
    for (;;) {
      const batch = await this.#read(delta);
      if (batch === undefined || !(await this.#host.appendPoint(begin, batch.pieces))) return false;
      const bytes = bytesOf(batch.pieces);
      delta.left = Math.max(0, delta.left - bytes);
      this.#rate.add(this.#options.clock.monotonic(), bytes);
      if (batch.isLast) return this.#delta === delta;
    }
  }

  /** Again until it succeeds; undefined: the delta was called off. @throws OperatorError `POINT_LOST` */
  async #read(delta: Delta): Promise<PointBatch | undefined> {
    while (this.#delta === delta) {
      try {
        const batch = await this.#back.readPoint();
        this.#waits.clear('copy-failed');
        return batch;
      } catch (error) {
        if (['POINT_LOST', 'THREAD_ENDED'].includes(errorCode(error))) throw error;
        this.#waits.raise('copy-failed', `the copy waits: ${describeError(error)}`);
        await sleep(this.#options.clock, RETRY, this.#stopped.signal);
      }
    }
    return undefined;
  }

  async #finish(): Promise<void> {
    await this.#back.endPoint();
    this.#delta = undefined;
    this.#waits.clear('delta-given-up');
    this.#waits.clear('interval-skipped');
    const { copyPoint } = this.#sealed.checkpoint;
    this.#log.info('delta ends', { point: copyPoint?.lsn });
  }

  /** A thread that has ended has been reported. */
  #giveUp(delta: Delta, why: string): Promise<void> {
    const called = this.#serially(() => this.#callOff(delta, why));
    return called.catch((error: unknown) => this.#log.warn(describeError(error)));
  }

  /** What is marked stays so. */
  async #callOff(delta: Delta, why: string): Promise<void> {
    if (this.#delta !== delta) return;
    this.#delta = undefined;
    const message = `a delta was given up: ${why}`;
    this.#log.warn(message);
    this.#waits.raise('delta-given-up', `${message}; the next one begins at its time`);
    this.#waits.clear('copy-failed');
    const { name } = this.#options.group;
    delta.carried?.placed.reject(
      new OperatorError('DELTA_GIVEN_UP', `the marker of group ${name} does not fire: ${message}`, {
        remedy: 'see to what is named, and place the marker again',
        retryable: true,
      }),
    );
    await this.#host.stopCopy();
    await this.#back.endPoint();
  }
}

function bytesOf(pieces: readonly PointPiece[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
