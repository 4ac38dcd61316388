/** What carries files in either direction has in common: its hours, its troubles, and when it looks again. */
import { sleep } from '../platform/clock.ts';
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { LinkNotices, type Notice } from './link-notices.ts';
import { LinkSession, type Closure, type LinkHours } from './link-session.ts';
import { LinkTroubles, type Failure, type LinkWait } from './link-troubles.ts';
import { Rate } from './rate.ts';
import type { Transport } from './transport.ts';

/** Milliseconds: nothing but its opening is waited for, and that wakes it. */
const CLOSED_REST = 3_600_000;
/** The wait of a link that its schedule has closed. */
const CLOSED = 'schedule-closed';

export interface LinkWatchOptions {
  /** Begins its lines in the log. */
  readonly title: string;
  readonly transport: Transport;
  readonly hours: LinkHours;
  /** What was under way is cut, and may be done all the same. */
  readonly onClosed: () => void;
}

export class LinkWatch {
  readonly session: LinkSession;
  readonly troubles: LinkTroubles;
  /** What is not the link's own trouble: what the other side says, or what is wrong with how it says it. */
  readonly notices: LinkNotices;
  readonly #platform: Pick<Platform, 'clock'>;
  readonly #log: Log;
  readonly #options: LinkWatchOptions;
  readonly #rate = new Rate();
  #wakeUp: AbortController | undefined;

  constructor(platform: Pick<Platform, 'clock' | 'random'>, log: Log, options: LinkWatchOptions) {
    this.#platform = platform;
    this.#log = log;
    this.#options = options;
    this.troubles = new LinkTroubles(platform);
    this.notices = new LinkNotices(platform.clock, (notice) => this.#note(notice));
    this.session = new LinkSession(options.hours, {
      opened: () => this.#opened(),
      closed: (closure) => this.#closed(closure),
    });
  }

  /** Whether what failed has rested, or nothing did. */
  get isReady(): boolean {
    return this.session.isOpen && this.#platform.clock.monotonic() >= this.troubles.heldUntil();
  }

  /** Bytes a second over the last minute. */
  get rate(): number {
    return this.#rate.perSecond(this.#platform.clock.monotonic());
  }

  waits(): LinkWait[] {
    // While nothing is tried nothing is tried again.
    const troubles = this.session.isOpen ? this.troubles.waits() : [];
    const notices = this.notices
      .list()
      .filter(({ code }) => troubles.every((trouble) => trouble.code !== code));
    return [...troubles, ...notices];
  }

  /** Of a file's transfer. What a resumed one begins with went over before: it is no rate. */
  progressOf(key: string): (bytes: number) => void {
    let seen: number | undefined;
    return (bytes) => {
      if (seen === undefined) this.troubles.resumed(key, bytes);
      else this.#rate.add(this.#platform.clock.monotonic(), bytes - seen);
      seen = bytes;
    };
  }

  /** Ends everything that uses the session's signal, now and for ever; what is cut ends by itself. */
  async stop(): Promise<void> {
    this.session.stop();
    this.wake();
    await this.#options.transport.close();
  }

  /** Ends a rest. */
  wake(): void {
    this.#wakeUp?.abort();
  }

  /** Until `due` (monotonic) at the latest, while it is open; until what failed is tried again; or until it is woken. */
  async rest(due: number): Promise<void> {
    if (this.session.stopped) return;
    const { clock } = this.#platform;
    const now = clock.monotonic();
    const held = this.troubles.heldUntil();
    const look = this.session.isOpen ? due : now + CLOSED_REST;
    const until = held > now ? Math.min(held, look) : look;
    this.#wakeUp = new AbortController();
    await sleep(clock, Math.max(1, until - now), this.#wakeUp.signal);
    this.#wakeUp = undefined;
  }

  worked(key: string): void {
    if (!this.troubles.has(key)) return;
    this.troubles.worked(key);
    if (this.troubles.size === 0) this.debug('it works again');
  }

  failed(key: string, failure: Failure): void {
    if (this.troubles.failed(key, failure)) this.#note(failure);
  }

  debug(message: string, fields?: Parameters<Log['debug']>[1]): void {
    this.#log.debug(`${this.#options.title}: ${message}`, fields);
  }

  warn(message: string): void {
    this.#log.warn(`${this.#options.title}: ${message}`);
  }

  #closed({ message, opensAt }: Closure): void {
    const isNew = this.notices.list().every(({ code }) => code !== CLOSED);
    this.notices.set('schedule', { code: CLOSED, message, endsAt: opensAt });
    if (!isNew) return;
    this.debug(message);
    this.#options.onClosed();
    this.#options.transport.close().catch((error: unknown) => this.warn(describeError(error)));
  }

  #opened(): void {
    this.notices.set('schedule', undefined);
    this.debug('it is open again');
    this.wake();
  }

  /** It is one of the waits, which whoever looks at them logs. */
  #note({ message, code }: Notice): void {
    this.debug(message, { code });
  }
}
