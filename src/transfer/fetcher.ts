/**
 * Brings here what the other side keeps in its outbox, where only that side, or neither, has a file server: the way back
 * after a failover. It is what a link is, from the other end: the other side's link fills the outbox and reads the status
 * file that is put beside it.
 *
 * I5: a segment is removed from the outbox only when a status that says it is received lies at the server.
 * I6: a segment appears in the inbox under its name only when it is whole and durable.
 * I12: of the server nothing is believed: names are parsed, sizes limited, and what arrives the destination checks.
 */
import { join } from 'node:path';
import { LSN_NONE, type Lsn } from '../journal/ids.ts';
import {
  INBOX_FOLDER,
  OUTBOX_FOLDER,
  OUTBOX_STATUS_FOLDER,
  PART_SUFFIX,
  parseSealedName,
  STATUS_FILE,
  STATUS_FOLDER,
} from '../journal/names.ts';
import { STATUS_SIZE_MAX, type SiteStatus } from '../journal/status.ts';
import { readSmallFile } from '../platform/atomic-file.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import {
  covered,
  offeredSegments,
  planFetch,
  uncovered,
  type Fetched,
  type OfferedSegment,
} from './fetch-planner.ts';
import type { LinkHours } from './link-session.ts';
import { failureOf, type LinkWait } from './link-troubles.ts';
import { LinkWatch } from './link-watch.ts';
import { TransportError, type Transport } from './transport.ts';

/** Milliseconds between two looks into the outbox: while something lies there, and while nothing does. */
const LOOK_BUSY = 500;
const LOOK_IDLE = 2000;
/** Removed from the outbox between two looks: the status is not to wait for a long backlog. */
const REMOVED_AT_ONCE = 50;
/** What fails when the outbox cannot be seen, and when the status cannot be put. No segment has such a name. */
const LOOK = 'outbox';
const STATUS = 'status';

export interface FetcherOptions {
  /** The other side's name. */
  readonly name: string;
  readonly transport: Transport;
  readonly hours: LinkHours;
  /** Files under way at once. */
  readonly parallel: number;
  /** The group's own, which has an inbox, and the status that this side writes. */
  readonly folder: string;
  /** What this side has received durably, of the journal that it follows now. */
  readonly received: () => Lsn;
  /** Bytes that the inbox may still take. */
  readonly room: () => number;
  /** The names of segments that this side is taking out of the inbox: neither there, maybe, nor received, nor refused. */
  readonly taking: () => readonly string[];
  /** Of this side's own status. @throws OperatorError when it is damaged */
  readonly decode: (bytes: Buffer) => SiteStatus;
  /** A segment lies in the inbox. */
  readonly onArrived: () => void;
}

export interface FetcherReport {
  readonly state: 'idle' | 'fetching' | 'waiting' | 'failed';
  /** What the outbox holds, as of the last look, that is not received. */
  readonly backlogSegments: number;
  readonly backlogBytes: number;
  /** Bytes a second over the last minute. */
  readonly rate: number;
  /** By this process, those that were fetched again included. */
  readonly segmentsFetched: number;
  readonly bytesFetched: number;
  /** What the status at the server says is received; 0 before this process has put one. */
  readonly confirmed: Lsn;
  readonly waits: readonly LinkWait[];
}

type FetcherPlatform = Pick<Platform, 'clock' | 'random' | 'files'>;

/** From `start` to `stop`, once. */
export class Fetcher {
  readonly #platform: FetcherPlatform;
  readonly #options: FetcherOptions;
  readonly #watch: LinkWatch;
  readonly #inbox: string;
  readonly #statusPath: string;
  readonly #fetching = new Map<string, { readonly segment: OfferedSegment; readonly ended: Promise<void> }>();
  #fetched = new Map<string, Fetched>();
  #offered: readonly OfferedSegment[] = [];
  /** The status as it was last put. */
  #answer: Buffer | undefined;
  #confirmed: Lsn = LSN_NONE;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #segmentsFetched = 0;
  #bytesFetched = 0;
  #loop: Promise<void> | undefined;

  constructor(platform: FetcherPlatform, log: Log, options: FetcherOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#inbox = join(options.folder, INBOX_FOLDER);
    this.#statusPath = join(options.folder, STATUS_FOLDER, STATUS_FILE);
    this.#watch = new LinkWatch(platform, log, {
      ...options,
      title: `fetching from ${options.name}`,
      // What was cut is gone on with from what is here.
      onClosed: () => undefined,
    });
  }

  start(): void {
    this.#watch.session.start();
    this.#loop = this.#run();
  }

  /** There is room again, or the status was written. */
  wake(): void {
    this.#pump();
    this.#watch.wake();
  }

  report(): FetcherReport {
    const backlog = uncovered(this.#offered, this.#options.received());
    return {
      state: this.#state(backlog.length),
      backlogSegments: backlog.length,
      backlogBytes: backlog.reduce((sum, { bytes }) => sum + bytes, 0),
      rate: this.#watch.rate,
      segmentsFetched: this.#segmentsFetched,
      bytesFetched: this.#bytesFetched,
      confirmed: this.#confirmed,
      waits: this.#watch.waits(),
    };
  }

  /** Transfers under way are cut; the next process's fetcher resumes them. */
  async stop(): Promise<void> {
    await this.#watch.stop();
    await Promise.all([...this.#fetching.values()].map(({ ended }) => ended));
    await this.#loop;
  }

  #state(backlog: number): FetcherReport['state'] {
    const { session, troubles } = this.#watch;
    if (session.isOpen) {
      if (this.#fetching.size > 0 && this.#isReady) return 'fetching';
      if (troubles.size > 0) return 'failed';
    }
    return backlog > 0 ? 'waiting' : 'idle';
  }

  /** A method, because it changes while it is awaited. */
  #stopped(): boolean {
    return this.#watch.session.stopped;
  }

  async #run(): Promise<void> {
    const { clock } = this.#platform;
    while (!this.#stopped()) {
      if (this.#watch.session.isOpen && clock.monotonic() >= this.#lookDue()) await this.#look();
      this.#pump();
      await this.#watch.rest(this.#lookDue());
    }
  }

  #lookDue(): number {
    const { troubles } = this.#watch;
    if (troubles.has(LOOK)) return troubles.heldUntil(LOOK);
    return this.#lookedAt + (this.#offered.length > 0 ? LOOK_BUSY : LOOK_IDLE);
  }

  /** What arrives is worth having even while the other side cannot be told of it. */
  get #isReady(): boolean {
    const { session, troubles } = this.#watch;
    return session.isOpen && this.#platform.clock.monotonic() >= troubles.heldUntilBut(STATUS);
  }

  async #look(): Promise<void> {
    const { transport } = this.#options;
    const { signal } = this.#watch.session;
    await this.#tell(signal);
    try {
      const listed = offeredSegments(await transport.list(OUTBOX_FOLDER, signal));
      const received = covered(listed, this.#confirmed);
      this.#offered = listed;
      for (const { name } of received.slice(0, REMOVED_AT_ONCE)) {
        await transport.remove(`${OUTBOX_FOLDER}/${name}`, signal);
        this.#offered = this.#offered.filter((segment) => segment.name !== name);
      }
      this.#watch.worked(LOOK);
    } catch (error) {
      this.#failed(LOOK, error, signal);
    }
    this.#lookedAt = this.#platform.clock.monotonic();
  }

  async #tell(signal: AbortSignal): Promise<void> {
    if (this.#platform.clock.monotonic() < this.#watch.troubles.heldUntil(STATUS)) return;
    try {
      await this.#putStatus(signal);
      this.#watch.worked(STATUS);
    } catch (error) {
      this.#failed(STATUS, error, signal);
    }
  }

  /** As it lies here, when it is not what was put last. */
  async #putStatus(signal: AbortSignal): Promise<void> {
    const { transport, decode, received } = this.#options;
    const bytes = this.#readStatus();
    if (bytes === undefined || this.#answer?.equals(bytes) === true) return;
    const status = decode(bytes);
    // I5: an earlier life of this side wrote it, as a source or of a journal that it does not follow any more.
    if (status.role !== 'destination' || status.received > received()) return;
    try {
      const name = `${OUTBOX_STATUS_FOLDER}/${STATUS_FILE}`;
      await transport.put({ path: this.#statusPath, size: bytes.length }, name, { signal });
    } catch (error) {
      // A newer one of another size took its place before it was opened: that one goes with the next look.
      const isChanged = error instanceof TransportError && error.code === 'Integrity';
      if (isChanged && this.#readStatus()?.equals(bytes) === false) return;
      throw error;
    }
    this.#answer = bytes;
    this.#confirmed = status.received;
  }

  #readStatus(): Buffer | undefined {
    return readSmallFile(this.#platform.files, this.#statusPath, STATUS_SIZE_MAX);
  }

  /** Begins what can be begun. */
  #pump(): void {
    const received = this.#options.received();
    const wanted = new Set(uncovered(this.#offered, received).map(({ name }) => name));
    this.#watch.troubles.keepOnly((key) => key === LOOK || key === STATUS || wanted.has(key));
    this.#fetched = new Map([...this.#fetched].filter(([name]) => wanted.has(name)));
    if (!this.#isReady) return;
    if (wanted.size === 0) {
      this.#watch.notices.set('room', undefined);
      return;
    }
    try {
      this.#begin(received);
    } catch (error) {
      this.#failed(LOOK, error, this.#watch.session.signal);
    }
  }

  #begin(received: Lsn): void {
    const underWay = [...this.#fetching.values()].reduce((sum, { segment }) => sum + segment.bytes, 0);
    const { begin, tooLarge } = planFetch({
      now: this.#platform.clock.monotonic(),
      offered: this.#offered,
      received,
      here: this.#listInbox(received),
      fetching: this.#fetching,
      fetched: this.#fetched,
      room: this.#options.room() - underWay,
      slots: this.#options.parallel - this.#fetching.size,
    });
    this.#noteRoom(tooLarge);
    for (const segment of begin) {
      const ended = this.#fetch(segment).finally(() => {
        this.#fetching.delete(segment.name);
        this.wake();
      });
      this.#fetching.set(segment.name, { segment, ended });
    }
  }

  /** What need not be fetched. Parts of what came another way meanwhile are of no use any more. */
  #listInbox(received: Lsn): Set<string> {
    const { files } = this.#platform;
    const names = files.list(this.#inbox);
    for (const name of names.filter((part) => part.endsWith(PART_SUFFIX))) {
      const whole = name.slice(0, -PART_SUFFIX.length);
      const range = parseSealedName(whole);
      if (range !== undefined && range.last <= received && !this.#fetching.has(whole))
        files.remove(join(this.#inbox, name));
    }
    return new Set([...names, ...this.#options.taking()]);
  }

  /** What is under way may make room when it is received, or not take all that was set aside for it. */
  #noteRoom(tooLarge: OfferedSegment | undefined): void {
    const isStuck = tooLarge !== undefined && this.#fetching.size === 0;
    const message = `there is no room here for the next segment (${tooLarge?.bytes ?? 0} bytes); it is fetched once there is`;
    this.#watch.notices.set('room', isStuck ? { code: 'destination-full', message } : undefined);
  }

  async #fetch(segment: OfferedSegment): Promise<void> {
    const { name, bytes } = segment;
    const { transport, onArrived } = this.#options;
    const { files, clock } = this.#platform;
    const { signal } = this.#watch.session;
    const part = join(this.#inbox, name + PART_SUFFIX);
    try {
      const onProgress = this.#watch.progressOf(name);
      await transport.get(`${OUTBOX_FOLDER}/${name}`, { path: part, size: bytes }, { signal, onProgress });
      files.rename(part, join(this.#inbox, name));
      await files.syncDirectoryLater(this.#inbox);
      const times = (this.#fetched.get(name)?.times ?? 0) + 1;
      this.#fetched.set(name, { at: clock.monotonic(), times });
      this.#segmentsFetched += 1;
      this.#bytesFetched += bytes;
      this.#watch.worked(name);
      this.#watch.debug(`segment ${name} fetched`, { bytes });
      onArrived();
    } catch (error) {
      this.#failed(name, error, signal);
    }
  }

  /** Cut because the link closed, or this stops: that is no failure. */
  #failed(key: string, error: unknown, signal: AbortSignal): void {
    if (!signal.aborted) this.#watch.failed(key, failureOf(error));
  }
}
