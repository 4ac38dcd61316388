/** Carries a group's sealed segments to one destination, and reads back how far it is. */
import PQueue from 'p-queue';
import type { Lsn } from '../journal/ids.ts';
import { LSN_NONE } from '../journal/ids.ts';
import { INBOX_FOLDER, STATUS_FILE, STATUS_FOLDER } from '../journal/names.ts';
import { STATUS_SIZE_MAX, type DestinationStatus } from '../journal/status.ts';
import { sleep } from '../platform/clock.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { backoff } from './backoff.ts';
import { outstanding, reconcile, segmentsToSend, type Delivery, type LinkSegment } from './planner.ts';
import { Rate } from './rate.ts';
import { TransportError, type Transport } from './transport.ts';

/** Milliseconds between looks at the destination's status: while it has something to confirm, and while it has not. */
const POLL_BUSY = 500;
const POLL_IDLE = 5000;
/** Milliseconds without progress after which the destination's inbox is looked into. */
const STALLED = 15_000;
/** Milliseconds that a segment may be on its way from the inbox into the destination's status. */
const GRACE = 10_000;

export interface LinkOptions {
  /** The destination's name. */
  readonly name: string;
  readonly transport: Transport;
  /** Files under way at once. */
  readonly parallel: number;
  /** Sealed segments in order, as long as they are not freed. */
  readonly segments: () => readonly LinkSegment[];
  readonly groupId: string;
  /** @throws OperatorError when the status file is damaged or not authentic */
  readonly decode: (bytes: Buffer) => DestinationStatus;
  /** The newest status of an earlier run (I12: an older one is a replay). */
  readonly initial: DestinationStatus | undefined;
  /** A newer status was read. What it says is received may be freed. */
  readonly onStatus: (status: DestinationStatus) => void;
}

export interface LinkWait {
  readonly code: string;
  readonly message: string;
  readonly since: number;
  readonly nextTryAt?: number;
}

export interface LinkReport {
  readonly status: DestinationStatus | undefined;
  readonly state: 'idle' | 'sending' | 'waiting' | 'failed';
  readonly backlogSegments: number;
  readonly backlogBytes: number;
  readonly rate: number;
  readonly segmentsSent: number;
  readonly bytesSent: number;
  readonly waits: readonly LinkWait[];
}

export class Link {
  readonly #platform: Pick<Platform, 'clock' | 'random'>;
  readonly #log: Log;
  readonly #options: LinkOptions;
  readonly #queue: PQueue;
  readonly #stop = new AbortController();
  readonly #sending = new Set<string>();
  readonly #waits = new Map<string, LinkWait>();
  readonly #rate = new Rate();
  #deliveries = new Map<string, Delivery>();
  #status: DestinationStatus | undefined;
  #failures = 0;
  #holdUntil = 0;
  #polledAt = Number.NEGATIVE_INFINITY;
  #progressAt: number;
  #reconciled = false;
  #segmentsSent = 0;
  #bytesSent = 0;
  #wakeUp: AbortController | undefined;
  #awake = false;
  #loop: Promise<void> | undefined;

  constructor(platform: Pick<Platform, 'clock' | 'random'>, log: Log, options: LinkOptions) {
    this.#platform = platform;
    this.#log = log;
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.parallel });
    this.#status = options.initial;
    this.#progressAt = platform.clock.monotonic();
  }

  get received(): Lsn {
    return this.#status?.received ?? LSN_NONE;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** A segment was sealed. */
  wake(): void {
    this.#awake = true;
    this.#wakeUp?.abort();
  }

  report(): LinkReport {
    const backlog = outstanding(this.#options.segments(), this.#status);
    const waits = [...this.#waits.values()];
    const failed = waits.some((wait) => wait.code.startsWith('link-'));
    return {
      status: this.#status,
      state: failed ? 'failed' : this.#sending.size > 0 ? 'sending' : backlog.length > 0 ? 'waiting' : 'idle',
      backlogSegments: backlog.length,
      backlogBytes: backlog.reduce((sum, segment) => sum + segment.bytes, 0),
      rate: this.#rate.perSecond(this.#platform.clock.monotonic()),
      segmentsSent: this.#segmentsSent,
      bytesSent: this.#bytesSent,
      waits,
    };
  }

  /** Transfers under way are cut; the next start resumes them. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wakeUp?.abort();
    await this.#options.transport.close();
    await this.#queue.onIdle();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock } = this.#platform;
    while (!this.#stop.signal.aborted) {
      this.#awake = false;
      if (clock.monotonic() >= this.#holdUntil) {
        try {
          await this.#turn();
        } catch (error) {
          this.#onError(error);
        }
      }
      if (!this.#awake) await this.#rest();
    }
  }

  async #rest(): Promise<void> {
    const now = this.#platform.clock.monotonic();
    const poll =
      outstanding(this.#options.segments(), this.#status).length > 0 || this.#lagging()
        ? POLL_BUSY
        : POLL_IDLE;
    // While a failed link rests, new segments are no reason to try sooner.
    const held = this.#holdUntil - now;
    this.#wakeUp = held > 0 ? undefined : new AbortController();
    await sleep(
      this.#platform.clock,
      Math.max(1, held > 0 ? held : poll),
      this.#wakeUp?.signal ?? this.#stop.signal,
    );
    this.#wakeUp = undefined;
  }

  #lagging(): boolean {
    return this.#status !== undefined && this.#status.applied < this.#status.received;
  }

  async #turn(): Promise<void> {
    const { clock } = this.#platform;
    const now = clock.monotonic();
    if (!this.#reconciled || (now - this.#progressAt > STALLED && this.#outstanding().length > 0))
      await this.#reconcile();
    else if (now - this.#polledAt >= POLL_BUSY / 2) await this.#readStatus();
    this.#succeeded();
    const toSend = segmentsToSend({
      now: clock.monotonic(),
      segments: this.#options.segments(),
      deliveries: this.#deliveries,
      sending: this.#sending,
      status: this.#status,
    });
    for (const segment of toSend) {
      this.#sending.add(segment.name);
      void this.#queue.add(() => this.#sendOne(segment));
    }
  }

  #outstanding(): LinkSegment[] {
    return outstanding(this.#options.segments(), this.#status);
  }

  /** The inbox first and the status after it, so that what moves from one to the other in between is seen in one of them. */
  async #reconcile(): Promise<void> {
    const listing = await this.#options.transport.list(INBOX_FOLDER, this.#stop.signal);
    await this.#readStatus();
    const facts = {
      now: this.#platform.clock.monotonic(),
      segments: this.#options.segments(),
      deliveries: this.#deliveries,
      status: this.#status,
    };
    this.#deliveries = reconcile(facts, new Map(listing.map((file) => [file.name, file.size])), GRACE);
    this.#reconciled = true;
    this.#progressAt = facts.now;
  }

  async #readStatus(): Promise<void> {
    const { transport, decode, groupId } = this.#options;
    this.#polledAt = this.#platform.clock.monotonic();
    const bytes = await transport.readSmall(
      `${STATUS_FOLDER}/${STATUS_FILE}`,
      STATUS_SIZE_MAX,
      this.#stop.signal,
    );
    if (bytes === undefined) {
      this.#raise('no-status', 'the destination has not written a status file yet: is it running?');
      return;
    }
    this.#clear('no-status');
    let status;
    try {
      status = decode(bytes);
      if (status.groupId !== '' && status.groupId !== groupId) {
        throw new OperatorError(
          'STATUS_FOREIGN',
          `the status file is of another group (id ${status.groupId})`,
          {
            remedy: 'let each group have a folder of its own at the destination',
          },
        );
      }
    } catch (error) {
      this.#raise('status-refused', describeError(error));
      return;
    }
    this.#clear('status-refused');
    this.#take(status);
  }

  /** I12: a status that was written before the newest one known is a replay, and says nothing. */
  #take(status: DestinationStatus): void {
    const known = this.#status;
    if (known !== undefined && status.sequence < known.sequence) {
      const message = `the destination's status file is older (number ${status.sequence}) than one already seen (${known.sequence})`;
      this.#raise('status-replayed', `${message}; find out who put it back`);
      return;
    }
    this.#clear('status-replayed');
    if (status.sequence === known?.sequence) return;
    if (status.received > (known?.received ?? 0)) this.#progressAt = this.#platform.clock.monotonic();
    this.#status = status;
    for (const segment of this.#options.segments()) {
      if (segment.range.last <= status.received) this.#deliveries.delete(segment.name);
    }
    if (status.full)
      this.#raise('destination-full', 'the destination has no room left; it says when it has again');
    else this.#clear('destination-full');
    if (status.waiting === undefined) this.#clear('destination');
    else
      this.#raise('destination', `the destination waits (${status.waiting.code}): ${status.waiting.message}`);
    this.#options.onStatus(status);
  }

  async #sendOne(segment: LinkSegment): Promise<void> {
    const { transport } = this.#options;
    try {
      // After a failure the others of the same queue wait with it; what was freed meanwhile needs no sending.
      const wanted = this.#outstanding().some((candidate) => candidate.name === segment.name);
      const held = this.#platform.clock.monotonic() < this.#holdUntil;
      if (this.#stop.signal.aborted || held || !wanted) return;
      let seen = 0;
      await transport.put({ path: segment.path, size: segment.bytes }, `${INBOX_FOLDER}/${segment.name}`, {
        signal: this.#stop.signal,
        onProgress: (bytes) => {
          this.#rate.add(this.#platform.clock.monotonic(), bytes - seen);
          seen = bytes;
        },
      });
      this.#sent(segment);
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#sending.delete(segment.name);
      this.wake();
    }
  }

  #sent(segment: LinkSegment): void {
    const now = this.#platform.clock.monotonic();
    const sends = (this.#deliveries.get(segment.name)?.sends ?? 0) + 1;
    this.#deliveries.set(segment.name, { at: now, statusSequence: this.#status?.sequence ?? 0, sends });
    this.#segmentsSent += 1;
    this.#bytesSent += segment.bytes;
    this.#progressAt = now;
    this.#succeeded();
    this.#log.debug(`segment ${segment.name} sent to ${this.#options.name}`, { bytes: segment.bytes });
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#log.info(`link to ${this.#options.name} works again`);
    this.#failures = 0;
    this.#holdUntil = 0;
    for (const code of ['link-down', 'link-auth', 'link-error', 'link-busy', 'destination-no-space'])
      this.#clear(code);
  }

  #onError(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const { clock, random } = this.#platform;
    const known = error instanceof TransportError ? error : undefined;
    const code = waitCode(known);
    this.#failures += 1;
    this.#reconciled = false;
    const pause = backoff(this.#failures, known?.retryable ?? true, random.fraction());
    this.#holdUntil = clock.monotonic() + pause;
    const remedy = known === undefined || known.remedy === '' ? '' : `; ${known.remedy}`;
    const message = `${error instanceof Error ? error.message : String(error)}${remedy}`;
    if (!this.#waits.has(code)) this.#log.warn(`link to ${this.#options.name}: ${message}`, { code });
    this.#raise(code, message, Math.round(clock.now() + pause));
  }

  #raise(code: string, message: string, nextTryAt?: number): void {
    const since = this.#waits.get(code)?.since ?? this.#platform.clock.now();
    this.#waits.set(code, { code, message, since, ...(nextTryAt === undefined ? {} : { nextTryAt }) });
  }

  #clear(code: string): void {
    this.#waits.delete(code);
  }
}

function waitCode(error: TransportError | undefined): string {
  switch (error?.code) {
    case 'ConnectionLost':
    case 'Timeout':
      return 'link-down';
    case 'Auth':
      return 'link-auth';
    case 'Busy':
      return 'link-busy';
    case 'NoSpace':
      return 'destination-no-space';
    default:
      return 'link-error';
  }
}
