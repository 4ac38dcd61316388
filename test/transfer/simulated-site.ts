/** A file server with a destination behind it, on a simulated clock: what a link sees of another site. */
import { lsn, epoch } from '../../src/journal/ids.ts';
import type { DestinationStatus, RefusedSegment } from '../../src/journal/status.ts';
import { encodeStatus } from '../../src/journal/status-codec.ts';
import { sleep } from '../../src/platform/clock.ts';
import { judge, planInbox, type InboxPlan } from '../../src/destage/inbox-plan.ts';
import { parseSealedName } from '../../src/journal/names.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
  type TransportErrorCode,
} from '../../src/transfer/transport.ts';
import { seededRandom } from '../support/random.ts';
import type { SimulatedClock } from './simulated-clock.ts';

export const GROUP_ID = 'a'.repeat(32);
export const GROUP_NAME = 'oracle';
const HEARTBEAT = 2000;
const LATENCY = 10;
/** Bytes a millisecond. */
const SPEED = 1000;
const STATUS_NAME = 'status/destination.json';

export class SimulatedSite {
  readonly #clock: SimulatedClock;
  readonly #random = seededRandom('site');
  /** File name → bytes. */
  readonly inbox = new Map<string, number>();
  readonly parts = new Map<string, number>();
  status: Buffer | undefined;
  received = 0;
  /** Applied follows received at once, unless it is held. */
  applyUpTo = Number.MAX_SAFE_INTEGER;
  sequence = 0;
  full = false;
  waiting: DestinationStatus['waiting'];
  refused: RefusedSegment[] = [];
  /** Says why the destination refuses a segment that arrived, if it does. */
  refuse: (name: string) => string | undefined = () => undefined;
  groupId = GROUP_ID;
  #running = false;
  #published = '';
  #publishedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
  }

  start(): this {
    this.#running = true;
    this.#step();
    return this;
  }

  stop(): void {
    this.#running = false;
  }

  #step(): void {
    if (!this.#running) return;
    this.#receive();
    this.#publish();
    this.#clock.after(100, () => this.#step());
  }

  #receive(): void {
    for (const entry of this.#plan().queue) {
      const step = judge(entry, lsn(this.received));
      if (step === undefined) return;
      this.inbox.delete(entry.name);
      if (step.kind !== 'receive') continue;
      const reason = this.refuse(entry.name);
      if (reason === undefined) this.received = entry.range.last;
      else this.refused.push({ ...entry.range, reason, at: this.#clock.now() });
      this.refused = this.refused.filter(({ last }) => last > this.received);
    }
  }

  #plan(): InboxPlan {
    const entries = [...this.inbox.keys()].flatMap((name) => {
      const range = parseSealedName(name);
      return range === undefined ? [] : [{ name, range }];
    });
    return planInbox(entries, lsn(this.received), undefined);
  }

  #publish(): void {
    const { missing } = this.#plan();
    const facts = {
      version: 3,
      groupId: this.received === 0 ? '' : this.groupId,
      role: 'destination',
      epoch: undefined,
      received: lsn(this.received),
      applied: lsn(Math.min(this.received, this.applyUpTo)),
      appliedTime: 0,
      missing,
      refused: this.refused,
      full: this.full,
      consistent: true,
      waiting: this.waiting,
    } as const;
    const text = JSON.stringify(facts);
    if (text === this.#published && this.#clock.monotonic() - this.#publishedAt < HEARTBEAT) return;
    this.#published = text;
    this.#publishedAt = this.#clock.monotonic();
    this.sequence += 1;
    this.publish({ ...facts, sequence: this.sequence, writtenAt: this.#clock.now() });
  }

  publish(status: DestinationStatus): void {
    this.status = encodeStatus(status, undefined, GROUP_NAME, this.#random);
  }
}

export type Operation = 'put' | 'readSmall' | 'list';

/** `cut`: after so many more bytes of a put. `lost-answer`: done, but the caller is told otherwise. */
export type Fault = TransportErrorCode | { readonly cut: number } | 'lost-answer';

export interface Attempt {
  readonly at: number;
  readonly name: string;
  /** Where a resumed transfer went on. */
  readonly from: number;
}

export class SimulatedTransport implements Transport {
  readonly description = 'simulated:';
  readonly attempts: Attempt[] = [];
  /** Bytes as they went out. */
  readonly sent: { readonly at: number; readonly bytes: number; readonly name: string }[] = [];
  readonly reads: number[] = [];
  readonly lists: number[] = [];
  fault: (operation: Operation, name: string) => Fault | undefined = () => undefined;
  /** Puts under way, and the most there ever were. */
  underWay = 0;
  underWayMax = 0;
  closed = 0;
  /** Milliseconds that a put takes to end once it has failed or was aborted. */
  lingers = 0;
  readonly #clock: SimulatedClock;
  readonly #site: SimulatedSite;

  constructor(clock: SimulatedClock, site: SimulatedSite) {
    this.#clock = clock;
    this.#site = site;
  }

  async put(source: LocalFile, name: string, { signal, onProgress, pace }: TransferOptions): Promise<void> {
    const file = name.slice('inbox/'.length);
    const { parts, inbox } = this.#site;
    const fault = this.fault('put', file);
    let done = parts.get(file) ?? 0;
    this.attempts.push({ at: this.#clock.monotonic(), name: file, from: done });
    this.underWay += 1;
    this.underWayMax = Math.max(this.underWayMax, this.underWay);
    try {
      await this.#answer(typeof fault === 'string' && fault !== 'lost-answer' ? fault : undefined, signal);
      onProgress?.(done);
      const end = typeof fault === 'object' ? Math.min(source.size, done + fault.cut) : source.size;
      while (done < end) {
        const wanted = Math.min(end - done, 100 * SPEED);
        const step = (await pace?.(wanted)) ?? wanted;
        this.sent.push({ at: this.#clock.monotonic(), bytes: step, name: file });
        await this.#wait(step / SPEED, signal);
        done += step;
        parts.set(file, done);
        onProgress?.(done);
      }
      if (done < source.size) throw this.#error('ConnectionLost');
      parts.delete(file);
      inbox.set(file, source.size);
      if (fault === 'lost-answer') throw this.#error('ConnectionLost');
    } catch (error) {
      if (this.lingers > 0) await sleep(this.#clock, this.lingers);
      throw error;
    } finally {
      this.underWay -= 1;
    }
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    this.reads.push(this.#clock.monotonic());
    const fault = this.fault('readSmall', name);
    await this.#answer(fault, signal);
    if (name !== STATUS_NAME) throw this.#error('BadName');
    if ((this.#site.status?.length ?? 0) > limit) throw this.#error('TooLarge');
    return this.#site.status;
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    this.lists.push(this.#clock.monotonic());
    const fault = this.fault('list', folder);
    await this.#answer(fault, signal);
    const { inbox, parts } = this.#site;
    return [
      ...[...inbox].map(([name, size]) => ({ name, size })),
      ...[...parts].map(([name, size]) => ({ name: `${name}.part`, size })),
    ];
  }

  get(): Promise<void> {
    throw new Error('a link fetches nothing');
  }

  remove(): Promise<void> {
    throw new Error('a link removes nothing at the destination');
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }

  async #answer(fault: Fault | undefined, signal: AbortSignal): Promise<void> {
    await this.#wait(LATENCY, signal);
    if (typeof fault === 'string' && fault !== 'lost-answer') throw this.#error(fault);
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, milliseconds, signal);
    if (signal.aborted) throw this.#error('Cancelled');
  }

  #error(code: TransportErrorCode): TransportError {
    return new TransportError(code, `simulated: ${code}`, { remedy: 'none: it is a test' });
  }
}

export const EPOCH = epoch(1);
