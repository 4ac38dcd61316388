/**
 * Carries a group's sealed segments to one destination, and reads back how far it is.
 *
 * I5: only the destination's own, accepted status says that a segment is received; that a transport took it says nothing.
 * I12: a status that is forged, foreign or older than one already seen is refused with a wait and changes nothing.
 */
import { LSN_NONE, type EpochIdentity, type Lsn } from '../journal/ids.ts';
import { INBOX_FOLDER, OUTBOX_STATUS_FOLDER, STATUS_FILE } from '../journal/names.ts';
import type { DestinationStatus, ServingStatus, SiteStatus } from '../journal/status.ts';
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { Deliveries } from './deliveries.ts';
import { destinationNotice, goneNotice, statusNotice } from './link-notices.ts';
import type { LinkHours } from './link-session.ts';
import { readStatus } from './link-status.ts';
import { failureOf, isWhole, type Failure, type LinkWait } from './link-troubles.ts';
import { LinkWatch } from './link-watch.ts';
import { outstanding, refusalOf, type LinkSegment } from './planner.ts';
import type { LocalFile, Transport } from './transport.ts';

/**
 * Milliseconds between looks at the destination's status: once a segment was sent or the last look told of progress, while there
 * is something to confirm or apply, and while there is not. A look takes some of a slow line, but there few segments are sent.
 */
const POLL_SOON = 200;
const POLL_BUSY = 500;
const POLL_IDLE = 5000;
/** What fails when the status or the inbox cannot be read. No segment has this name. */
const POLL = 'status';

const NO_ROOM = {
  code: 'destination-full',
  message: 'the destination has no room left; it says when it has again',
} as const;

export interface LinkOptions {
  /** The destination's name. */
  readonly name: string;
  readonly transport: Transport;
  readonly hours: LinkHours;
  /** Files under way at once. */
  readonly parallel: number;
  /**
   * Bytes that are sent and not received yet, at most, where what is sent lies on this side's own disk until it is fetched
   * (a depot): a backlog is not to lie there twice, nor what can still be merged be sent. Undefined: all there is.
   */
  readonly ahead?: number;
  /** Sealed segments in order, as long as they are not freed. */
  readonly segments: () => readonly LinkSegment[];
  readonly groupId: string;
  readonly epoch: EpochIdentity;
  /** This side's word that it took over, which the other side is to hear; undefined: it did not. */
  readonly announcement: LocalFile | undefined;
  /** @throws OperatorError when the status file is damaged or not authentic */
  readonly decode: (bytes: Buffer) => SiteStatus;
  /** The newest status of an earlier run (I12: an older one is a replay). */
  readonly initial: DestinationStatus | undefined;
  /** A newer status was read. What it says is received may be freed. */
  readonly onStatus: (status: DestinationStatus) => void;
  /** The other side serves hosts itself, in an epoch of its own: maybe a newer one than this source's. */
  readonly onServing: (status: ServingStatus) => void;
  /** The other side is of another group. */
  readonly onForeign: (status: SiteStatus) => void;
}

export interface LinkReport {
  readonly status: DestinationStatus | undefined;
  readonly state: 'idle' | 'sending' | 'waiting' | 'failed';
  readonly backlogSegments: number;
  readonly backlogBytes: number;
  /** Bytes a second over the last minute. */
  readonly rate: number;
  /** Published by this process, those sent again included. */
  readonly segmentsSent: number;
  readonly bytesSent: number;
  readonly waits: readonly LinkWait[];
}

type LinkPlatform = Pick<Platform, 'clock' | 'random' | 'files'>;

/** From `start` to `stop`, once. */
export class Link {
  readonly #platform: LinkPlatform;
  readonly #options: LinkOptions;
  readonly #watch: LinkWatch;
  readonly #sending = new Map<string, Promise<void>>();
  readonly #deliveries: Deliveries;
  #status: DestinationStatus | undefined;
  #polledAt = Number.NEGATIVE_INFINITY;
  /** The next look at the status is likely to tell of progress. */
  #expectant = false;
  #segmentsSent = 0;
  #bytesSent = 0;
  #announced = false;
  readonly #asked = Promise.withResolvers<undefined>();
  #loop: Promise<void> | undefined;

  constructor(platform: LinkPlatform, log: Log, options: LinkOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#watch = new LinkWatch(platform, log, {
      ...options,
      title: `link to ${options.name}`,
      // What was cut may have been published all the same, which a look into the inbox tells once there may be one.
      onClosed: () => this.#deliveries.doubt(),
    });
    this.#deliveries = new Deliveries(platform.clock);
    this.#status = options.initial;
  }

  /** I5: what may be freed as far as this destination is concerned. */
  get received(): Lsn {
    return this.#status?.received ?? LSN_NONE;
  }

  /** The last record that this link began to send, or that the destination has: what lies behind it only this side knows. */
  get begun(): Lsn {
    const { begun } = this.#deliveries;
    return begun > this.received ? begun : this.received;
  }

  /** Whether the file of this name is being read. */
  isSending(name: string): boolean {
    return this.#sending.has(name);
  }

  /** Resolves when the other side was asked for its word once, whatever came of it, or cannot be because the link is closed. */
  get asked(): Promise<unknown> {
    return this.#asked.promise;
  }

  start(): void {
    this.#watch.session.start();
    this.#loop = this.#run();
  }

  /** A segment was sealed. */
  wake(): void {
    this.#pump();
    this.#watch.wake();
  }

  report(): LinkReport {
    const backlog = outstanding(this.#options.segments(), this.#status);
    return {
      status: this.#status,
      state: this.#state(backlog.length),
      backlogSegments: backlog.length,
      backlogBytes: backlog.reduce((sum, segment) => sum + segment.bytes, 0),
      rate: this.#watch.rate,
      segmentsSent: this.#segmentsSent,
      bytesSent: this.#bytesSent,
      waits: this.#watch.waits(),
    };
  }

  /** Transfers under way are cut; the next process's link resumes them. */
  async stop(): Promise<void> {
    await this.#watch.stop();
    await Promise.all(this.#sending.values());
    await this.#loop;
  }

  #state(backlog: number): LinkReport['state'] {
    const { session, troubles, isReady } = this.#watch;
    if (!session.isOpen) return backlog > 0 ? 'waiting' : 'idle';
    if (this.#sending.size > 0 && isReady && !troubles.has(POLL)) return 'sending';
    if (troubles.size > 0) return 'failed';
    return backlog > 0 ? 'waiting' : 'idle';
  }

  /** A method, because it changes while it is awaited. */
  #stopped(): boolean {
    return this.#watch.session.stopped;
  }

  async #run(): Promise<void> {
    const { clock } = this.#platform;
    while (!this.#stopped()) {
      if (this.#watch.session.isOpen && clock.monotonic() >= this.#pollDue()) await this.#poll();
      this.#asked.resolve(undefined);
      this.#pump();
      await this.#watch.rest(this.#pollDue());
    }
  }

  #pollDue(): number {
    const { troubles } = this.#watch;
    if (troubles.has(POLL)) return troubles.heldUntil(POLL);
    const newest = this.#options.segments().at(-1);
    const unconfirmed = newest !== undefined && newest.range.last > this.received;
    const lagging = this.#status !== undefined && this.#status.applied < this.#status.received;
    const busy = unconfirmed || lagging || this.#deliveries.inDoubt;
    if (!busy) return this.#polledAt + POLL_IDLE;
    return this.#polledAt + (this.#expectant ? POLL_SOON : POLL_BUSY);
  }

  async #poll(): Promise<void> {
    const { clock } = this.#platform;
    const { signal } = this.#watch.session;
    this.#expectant = false;
    try {
      await this.#announce(signal);
      if (this.#deliveries.stalled || this.#deliveries.inDoubt) await this.#reconcile(signal);
      else await this.#readStatus(signal);
      this.#watch.worked(POLL);
    } catch (error) {
      if (!signal.aborted) this.#failed(POLL, failureOf(error));
    }
    this.#polledAt = clock.monotonic();
  }

  /** Before its word is read: it may be giving way to ours. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { announcement, transport } = this.#options;
    if (announcement === undefined || this.#announced) return;
    await transport.put(announcement, `${OUTBOX_STATUS_FOLDER}/${STATUS_FILE}`, { signal });
    this.#announced = true;
  }

  /** The inbox first and the status after it, so that what moves from one to the other in between is seen in one of them. */
  async #reconcile(signal: AbortSignal): Promise<void> {
    const look = this.#deliveries.look();
    const files = await this.#options.transport.list(INBOX_FOLDER, signal);
    const statusIsFresh = await this.#readStatus(signal);
    const lost = this.#deliveries.settle(look, {
      segments: this.#options.segments(),
      status: this.#status,
      statusIsFresh,
      listing: new Map(files.map((file) => [file.name, file.size])),
    });
    if (lost > 0)
      this.#watch.warn(`${lost} segments are gone from the destination's inbox: they are sent again`);
  }

  /** Whether the status that is known is now what the destination says. */
  async #readStatus(signal: AbortSignal): Promise<boolean> {
    const readAt = this.#platform.clock.monotonic();
    const expected = { ...this.#options, known: () => this.#status };
    const reading = await readStatus(this.#options.transport, expected, signal);
    this.#watch.notices.set('status', statusNotice(reading));
    if (reading.kind === 'absent') return this.#status === undefined;
    if (reading.kind === 'serving') {
      // What was put there may be lost again: whoever still serves is told until it gives way.
      if (reading.status.epoch.number <= this.#options.epoch.number) this.#announced = false;
      this.#options.onServing(reading.status);
    }
    if (reading.kind === 'refused' && reading.foreign !== undefined) this.#options.onForeign(reading.foreign);
    if (reading.kind !== 'accepted') return false;
    this.#take(reading.status);
    this.#deliveries.confirmedBy(reading.status, this.#options.segments(), readAt);
    return true;
  }

  #take(status: DestinationStatus): void {
    const known = this.#status;
    this.#status = status;
    this.#watch.notices.set('room', status.full ? NO_ROOM : undefined);
    this.#watch.notices.set('destination', destinationNotice(status));
    this.#watch.notices.set('gone', goneNotice(this.#options.segments(), status));
    if (status.sequence === known?.sequence) return;
    const before = known?.received ?? LSN_NONE;
    if (status.received > before || status.applied > (known?.applied ?? LSN_NONE)) this.#expectant = true;
    if (status.received > before) this.#deliveries.heard();
    if (status.received < before)
      this.#watch.warn(`it has received ${status.received}, and said ${before} before`);
    try {
      this.#options.onStatus(status);
      this.#watch.notices.set('noting', undefined);
    } catch (error) {
      // A full disk here must not keep what is received from being freed: that is what makes room (I8).
      const message = `the destination's status cannot be noted here: ${describeError(error)}`;
      this.#watch.notices.set('noting', { code: 'status-unnoted', message });
    }
  }

  /** Begins what can be begun. */
  #pump(): void {
    const segments = this.#options.segments();
    const { troubles, isReady } = this.#watch;
    if (troubles.size > 0) {
      const unsent = outstanding(segments, this.#status).filter(({ name }) => !this.#deliveries.has(name));
      const names = new Set(unsent.map(({ name }) => name));
      troubles.keepOnly((key) => key === POLL || names.has(key));
    }
    if (!isReady || this.#deliveries.inDoubt) return;
    const slots = this.#options.parallel - this.#sending.size;
    const { ahead = Number.MAX_SAFE_INTEGER } = this.#options;
    const facts = { segments, sending: this.#sending, status: this.#status, slots, ahead };
    for (const segment of this.#deliveries.due(facts)) {
      const ended = this.#send(segment).finally(() => {
        this.#sending.delete(segment.name);
        this.wake();
      });
      this.#sending.set(segment.name, ended);
    }
  }

  async #send(segment: LinkSegment): Promise<void> {
    const { transport } = this.#options;
    const { signal } = this.#watch.session;
    this.#deliveries.begin(segment);
    const refusal = refusalOf(segment, this.#status);
    try {
      await transport.put({ path: segment.path, size: segment.bytes }, `${INBOX_FOLDER}/${segment.name}`, {
        signal,
        onProgress: this.#watch.progressOf(segment.name),
      });
      this.#sent(segment, refusal);
    } catch (error) {
      this.#sendFailed(segment, error, signal);
    }
  }

  #sent(segment: LinkSegment, refusal: number | undefined): void {
    this.#deliveries.sent(segment.name, refusal);
    this.#expectant = true;
    this.#segmentsSent += 1;
    this.#bytesSent += segment.bytes;
    this.#watch.worked(segment.name);
    this.#watch.debug(`segment ${segment.name} sent`, { bytes: segment.bytes });
  }

  #sendFailed(segment: LinkSegment, error: unknown, signal: AbortSignal): void {
    const wanted = outstanding(this.#options.segments(), this.#status).some(
      ({ name }) => name === segment.name,
    );
    // Received by then and freed under the transfer, maybe.
    if (!wanted) return;
    this.#deliveries.cut(segment.name);
    // Cut because the link closed: what is there already is gone on from when it opens.
    if (signal.aborted) return;
    const failure = failureOf(error);
    if (isWhole(this.#platform.files, segment)) this.#failed(segment.name, failure);
    else this.#failed(segment.name, { ...failure, code: 'segment-unreadable', retryable: false });
  }

  #failed(key: string, failure: Failure): void {
    if (this.#stopped()) return;
    this.#deliveries.doubt();
    this.#watch.failed(key, failure);
  }
}
