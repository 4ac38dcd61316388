/**
 * Whether a source takes its hosts' writes, ships them, and what of its volumes is still to be brought over: keeps the buffer
 * within its quota, the copy of what the change map has marked going, and says why anything stands still.
 *
 * Whatever is marked is brought over sooner or later: the map is the to-do list of the copy, which so goes on where it was
 * after a restart, and after the buffer was full half way. What is in step is told by the back thread's durable state alone.
 */
import type { CopyStatus } from '../../api/contract/status.ts';
import type { SeedState } from '../../capture/seed-state.ts';
import type { Lsn } from '../../journal/ids.ts';
import { LSN_NONE } from '../../journal/ids.ts';
import type { MarkerPayload } from '../../journal/record.ts';
import { isShippedConsistent, isShippedWhole } from '../../journal/seal.ts';
import type { Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import { bytesText } from '../../platform/words.ts';
import { Rate } from '../../transfer/rate.ts';
import { bufferDecision, copyRoom, type BufferState } from '../buffer/buffer-policy.ts';
import type { ReplicationMode, SealedState } from './replication-mode.ts';
import { CopyWindows } from '../comparing/copy-windows.ts';
import type { ToBring } from '../source-back/source-back-facts.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import type { SourceHost } from './source-host.ts';
import type { Answers } from '../comparing/window-answers.ts';

export interface SourceModeOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Bytes that the buffer may take; it changes as it runs. */
  readonly quota: () => number;
  readonly whenFull: 'refuse-writes' | 'change-map';
  /** The most that sealing one raw segment can add to the buffer, bytes. */
  readonly segmentBytesMax: number;
  /** Bytes of sealed segments. */
  readonly used: () => number;
  /** Bytes of the journal that are closed and not sealed. */
  readonly unsealed: () => number;
  /** Bytes that the buffer's file system has left. */
  readonly free: () => number;
  /** False: it gives way to the other side, and brings nothing over. */
  readonly brings: () => boolean;
  /** What each destination last said. */
  readonly answers: () => Answers;
}

type Copy =
  | { readonly kind: 'none' }
  /** What is closed and not sealed yet may bring the destinations into step without it. */
  | { readonly kind: 'due'; readonly after: Lsn }
  | { readonly kind: 'beginning' }
  /** Its init-begin record is in the journal: what is marked is known once that is sealed. */
  | { readonly kind: 'begun'; readonly at: Lsn }
  | { readonly kind: 'running' }
  /** Its init-end record is in the journal. */
  | { readonly kind: 'ended'; readonly at: Lsn };

export class SourceMode implements ReplicationMode {
  readonly interval = undefined;
  readonly #log: Log;
  readonly #waits: Waits;
  readonly #host: Remote<SourceHost>;
  readonly #back: Pick<Remote<SourceBack>, 'marked' | 'endComparing' | 'beginSeed'>;
  readonly #windows: CopyWindows;
  readonly #options: SourceModeOptions;
  #sealed: SealedState;
  /** Bytes of raw segments that were sealed since the start. */
  #sealedBytes = 0;
  #closed = LSN_NONE;
  #copy: Copy = { kind: 'none' };
  /** A copy is to begin from now on, and to end, even where one that was under way took the marks with it. */
  #owed = false;
  /** Bytes that were marked when the copy began. */
  #total = 0;
  readonly #rate = new Rate();
  #state: BufferState = 'open';
  /** In the newest wait's sentence. */
  #toldQuota = 0;
  /** The seed whose init-begin record was put into the journal though nothing is shipped. */
  #placed: string | undefined;
  #last = Promise.resolve();

  constructor(
    log: Log,
    waits: Waits,
    threads: { readonly host: Remote<SourceHost>; readonly back: Remote<SourceBack> },
    opened: SealedState,
    options: SourceModeOptions,
  ) {
    this.#log = log;
    this.#waits = waits;
    this.#host = threads.host;
    this.#back = threads.back;
    this.#sealed = opened;
    this.#options = options;
    const { clock, answers } = options;
    this.#windows = new CopyWindows({ clock, log, waits, ...threads, answers });
  }

  get mode(): ReplicationMode['mode'] {
    if (this.#state === 'change-map') return 'change-map';
    if (this.#isInStep()) return 'journal';
    return this.#sealed.checkpoint.copyEnded === LSN_NONE ? 'initializing' : 'delta';
  }

  get copy(): CopyStatus | undefined {
    if (this.mode === 'journal') return undefined;
    const { marked: left, comparing } = this.#sealed;
    const how = comparing ? { comparing } : {};
    if (this.#copy.kind !== 'running') return { left, ...how };
    const rate = this.#rate.perSecond(this.#options.clock.monotonic());
    const timeLeft = rate === 0 ? {} : { timeLeftSeconds: left / rate };
    return { left, ...how, total: Math.max(this.#total, left), rate, ...timeLeft };
  }

  lastToShip(last: Lsn): Lsn {
    return last;
  }

  get shipping(): boolean {
    return this.#state !== 'change-map';
  }

  govern(): Promise<void> {
    return this.#serially(() => this.#govern());
  }

  closed(last: Lsn): void {
    this.#closed = last;
  }

  sealed(state: SealedState, { end }: { readonly end: number }): Promise<void> {
    this.#noteMarked(state.marked);
    this.#sealed = state;
    this.#sealedBytes += end;
    return Promise.resolve();
  }

  destaged(): Promise<void> {
    return Promise.resolve();
  }

  pointCut(): void {
    // No copy is as of one.
  }

  /** The copy's init-end record is in the journal. Of a copy that was called off there is nothing to say. */
  copied(at: Lsn): void {
    if (this.#copy.kind !== 'running') return;
    this.#copy = { kind: 'ended', at };
    this.#governSoon();
  }

  bringOver(mark: () => Promise<ToBring>): Promise<void> {
    return this.#serially(async () => {
      const toBring = await mark();
      // Behind it: segments may have been sealed meanwhile.
      this.#sealed = { ...this.#sealed, ...toBring };
      this.#owed = true;
      this.#log.info('more is to be brought over', { bytes: this.#sealed.marked });
      await this.#callOff();
      this.#governSoon();
    });
  }

  get seed(): SeedState | undefined {
    return this.#sealed.seed;
  }

  /** Everything is carried over by this seed, again; durable on return. @throws the file system's errors */
  beginSeed(id: string, fileSize: number): Promise<void> {
    return this.#serially(async () => {
      const begun = await this.#back.beginSeed(id, fileSize);
      this.#sealed = { ...this.#sealed, ...begun };
      this.#log.info('all that the volumes hold is to be carried over by a seed', { seed: id });
      await this.#callOff();
      this.#governSoon();
    });
  }

  /** The seed is as far as this. */
  seeded(seed: SeedState, marked: number): void {
    this.#sealed = { ...this.#sealed, seed, marked };
    if (seed.complete) this.#governSoon();
  }

  diskFull(sentence: string): Promise<void> {
    return this.#serially(async () => {
      this.#waits.raise('buffer-disk-full', sentence);
      if (this.#options.whenFull === 'change-map') await this.#mark(sentence);
      else await this.#host.refuse({ code: 'ENOSPC', message: sentence });
    });
  }

  diskHasRoom(): Promise<void> {
    return this.#serially(async () => {
      if (this.#waits.clear('buffer-disk-full') && this.#state === 'open') await this.#host.refuse(undefined);
    });
  }

  placeMarker(marker: MarkerPayload): ReturnType<ReplicationMode['placeMarker']> {
    return this.mode === 'journal' ? this.#host.placeMarker(marker) : undefined;
  }

  setEvery(): void {
    // There is no interval.
  }

  stop(): void {
    // What is under way ends with its threads.
  }

  #serially(action: () => Promise<void>): Promise<void> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #governSoon(): void {
    this.govern().catch((error: unknown) => this.#log.warn(describeError(error)));
  }

  async #govern(): Promise<void> {
    const { whenFull, segmentBytesMax } = this.#options;
    const [used, free, quota] = [this.#options.used(), this.#options.free(), this.#options.quota()];
    const limits = { quota, segmentBytesMax, whenFull };
    const unsealed = this.#options.unsealed();
    const decision = bufferDecision({ state: this.#state, used, unsealed, free, ...limits });
    await this.#host.limitCopy(this.#sealedBytes + copyRoom({ used, quota, segmentBytesMax }));
    const held = `the buffer holds ${bytesText(used)} of ${bytesText(quota)}`;
    if (decision === this.#state) {
      if (decision === 'open' && this.#options.brings()) await this.#moveCopy();
      else this.#placeSeed();
      if (decision !== 'open' && quota !== this.#toldQuota) this.#tell(held);
    } else if (decision === 'refusing') {
      await this.#host.refuse({ code: 'ENOSPC', message: refusedText(held) });
      this.#state = decision;
      this.#tell(held);
    } else if (decision === 'change-map') await this.#mark(held);
    else await this.#reopen();
  }

  async #reopen(): Promise<void> {
    await this.#host.refuse(undefined);
    this.#waits.clear('buffer-full');
    this.#waits.clear('change-map');
    this.#log.info(
      this.#state === 'change-map'
        ? 'there is room again: what changed is brought over'
        : 'writes are taken again',
    );
    this.#state = 'open';
  }

  /** From the next segment on that is sealed. */
  async #mark(why: string): Promise<void> {
    if (this.#state === 'change-map') return;
    this.#state = 'change-map';
    this.#tell(why);
    await this.#callOff();
  }

  #tell(why: string): void {
    this.#toldQuota = this.#options.quota();
    const marked = `${why}: what hosts change is marked, and brought over when the buffer is half empty`;
    if (this.#state === 'change-map') this.#waits.raise('change-map', marked);
    else this.#waits.raise('buffer-full', refusedText(why));
  }

  async #callOff(): Promise<void> {
    this.#copy = { kind: 'none' };
    this.#windows.end();
    this.#waits.clear('copy-failed');
    await this.#host.stopCopy();
  }

  #isInStep(): boolean {
    const { checkpoint, marked } = this.#sealed;
    return !this.#owed && marked === 0 && isShippedWhole(checkpoint) && isShippedConsistent(checkpoint);
  }

  async #moveCopy(): Promise<void> {
    const { digested } = this.#sealed.checkpoint;
    const copy = this.#copy;
    if (copy.kind === 'ended' && digested >= copy.at) {
      this.#copy = { kind: 'none' };
      this.#owed = false;
      this.#windows.end();
      if (this.#isInStep())
        this.#log.info('the destinations get every write in order: recovery points from here on');
    }
    if (this.#sealed.comparing && this.#isInStep()) await this.#endComparing();
    if (copy.kind === 'running' && this.#sealed.comparing) await this.#compareNext();
    if (this.#copy.kind === 'none' && !this.#isInStep()) this.#copy = { kind: 'due', after: this.#closed };
    if (this.#copy.kind === 'due' && digested >= this.#copy.after) this.#begin();
    const isSeeding = this.#sealed.seed?.complete === false;
    if (copy.kind === 'begun' && digested >= copy.at && !isSeeding) {
      this.#total = this.#sealed.marked;
      this.#log.info('copy begins', { bytes: this.#total });
      const marked = await this.#back.marked();
      this.#copy = { kind: 'running' };
      if (this.#sealed.comparing) this.#windows.begin(marked);
      else await this.#host.copy(marked);
    }
  }

  async #compareNext(): Promise<void> {
    const marked = await this.#windows.look();
    if (marked === 'called-off') await this.#callOff();
    else if (marked !== undefined) {
      this.#noteMarked(marked);
      this.#sealed = { ...this.#sealed, marked };
    }
  }

  /** What is marked from now on is sent without a question. What cannot be noted is asked about once more than it must. */
  async #endComparing(): Promise<void> {
    this.#sealed = { ...this.#sealed, comparing: false };
    await this.#back
      .endComparing()
      .catch((error: unknown) =>
        this.#log.warn(`that nothing is compared any more cannot be noted: ${describeError(error)}`),
      );
  }

  #noteMarked(marked: number): void {
    const done = this.#sealed.marked - marked;
    if (done > 0) this.#rate.add(this.#options.clock.monotonic(), done);
  }

  /**
   * A seed is read behind a record that names it. While nothing is shipped that record is left out like others, and the next
   * copy's, which names it too, is where the destinations take the seed in: what is written in between is marked.
   */
  #placeSeed(): void {
    const { seed } = this.#sealed;
    if (seed === undefined || seed.begun !== undefined || this.#placed === seed.seed) return;
    this.#placed = seed.seed;
    this.#host
      .beginCopy(seed.seed)
      .catch((error: unknown) => this.#log.warn(`the seed could not begin: ${describeError(error)}`));
  }

  /** Not waited for: it may need room in the journal, which comes of sealing, and sealing waits for this. */
  #begin(): void {
    if (this.#isInStep()) {
      this.#copy = { kind: 'none' };
      return;
    }
    const beginning: Copy = { kind: 'beginning' };
    this.#copy = beginning;
    const next = (copy: Copy): void => {
      if (this.#copy === beginning) this.#copy = copy;
      this.#governSoon();
    };
    this.#host.beginCopy(this.#sealed.seed?.seed).then(
      (at) => next(at === undefined ? { kind: 'none' } : { kind: 'begun', at }),
      (error: unknown) => {
        this.#log.warn(`the copy could not begin: ${describeError(error)}`);
        if (this.#copy === beginning) this.#copy = { kind: 'none' };
      },
    );
  }
}

function refusedText(why: string): string {
  return `${why}: writes are refused until the destinations catch up`;
}
