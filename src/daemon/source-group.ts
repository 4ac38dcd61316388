/**
 * A source group as a whole: takes each closed raw segment through sealing and destaging, keeps the buffer within its
 * quota, frees what nobody needs any more (I5), and says why anything waits.
 */
import type { MarkerPayload } from '../journal/record.ts';
import type { GroupIdentity, Lsn } from '../journal/ids.ts';
import { lsn, LSN_NONE } from '../journal/ids.ts';
import type { ClosedRaw } from '../journal/raw-segment.ts';
import type { SourceCheckpoint } from '../journal/source-files.ts';
import { describeError, errorCode, OperatorError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import type { Remote } from '../platform/node/threads.ts';
import { Waits } from '../platform/waits.ts';
import { bufferDecision, type BufferState } from './buffer-policy.ts';
import type { SealedFile, SourceBack } from './source-back.ts';
import type { SourceHost } from './source-host.ts';

/** Milliseconds between attempts at a destage that failed. */
const RETRY = 2000;
const HOUSEKEEPING = 500;
/** Milliseconds that a stop waits for destaging; what is left is in the journal, and is replayed at the next start. */
const DRAIN_LIMIT = 30_000;

export interface SourceGroupOptions {
  readonly group: GroupIdentity;
  readonly folder: string;
  readonly quota: number;
  readonly whenFull: 'refuse-writes' | 'suspend-replication';
  /** The most that sealing one raw segment can add to the buffer, bytes. */
  readonly segmentBytesMax: number;
  readonly initialized: boolean;
  /** What every destination has durably received; `LSN_NONE` while one has said nothing. Undefined: no destinations. */
  readonly received: () => Lsn | undefined;
  readonly onSealed: () => void;
  /** Durably noted before replication relies on it. */
  readonly onInitialized: (initialized: boolean) => void;
}

export class SourceGroup {
  readonly #platform: Pick<Platform, 'clock' | 'files'>;
  readonly #log: Log;
  readonly #host: Remote<SourceHost>;
  readonly #back: Remote<SourceBack>;
  readonly #options: SourceGroupOptions;
  readonly waits: Waits;
  #sealed: SealedFile[] = [];
  #checkpoint: SourceCheckpoint;
  #queue: { readonly raw: ClosedRaw; readonly generation: number }[] = [];
  #working = false;
  #stopping = false;
  #initialized: boolean;
  #copying = false;
  #state: BufferState = 'open';
  #failed: string | undefined;
  #timer: { cancel(): void } | undefined;
  #idle: (() => void)[] = [];

  constructor(
    platform: Pick<Platform, 'clock' | 'files'>,
    log: Log,
    threads: { readonly host: Remote<SourceHost>; readonly back: Remote<SourceBack> },
    opened: { readonly checkpoint: SourceCheckpoint; readonly sealed: readonly SealedFile[] },
    options: SourceGroupOptions,
  ) {
    this.#platform = platform;
    this.#log = log;
    this.#host = threads.host;
    this.#back = threads.back;
    this.#options = options;
    this.#sealed = [...opened.sealed];
    this.#checkpoint = opened.checkpoint;
    this.#initialized = options.initialized;
    this.waits = new Waits(platform.clock);
  }

  /** Segments to send, in order. */
  get sealed(): readonly SealedFile[] {
    return this.#sealed;
  }

  get checkpoint(): SourceCheckpoint {
    return this.#checkpoint;
  }

  get bufferUsed(): number {
    return this.#sealed.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  get mode(): 'initializing' | 'journal' | 'suspended' | 'stopped' {
    if (this.#failed !== undefined) return 'stopped';
    if (this.#state === 'suspended') return 'suspended';
    return this.#initialized ? 'journal' : 'initializing';
  }

  start(): void {
    this.#housekeep();
  }

  /** A raw segment is closed and durable. */
  closed(raw: ClosedRaw, generation: number): void {
    this.#queue.push({ raw, generation });
    void this.#work();
  }

  copied(): void {
    this.#copying = false;
    this.#initialized = true;
    this.#options.onInitialized(true);
    this.#log.info('initial copy complete: recovery points from here on');
  }

  failed(message: string, remedy: string): void {
    this.#failed = message;
    this.waits.raise('journal-failed', `${message}; ${remedy}`);
    this.#log.error(message, { remedy });
  }

  /** @throws OperatorError `GROUP_NOT_CONSISTENT` while there can be no recovery point */
  async placeMarker(marker: MarkerPayload): Promise<{ readonly lsn: Lsn; readonly time: number }> {
    if (this.mode !== 'journal') {
      throw new OperatorError(
        'GROUP_NOT_CONSISTENT',
        `group ${this.#options.group.name} is ${this.mode}: there is no recovery point to mark`,
        {
          remedy: 'wait until `blockferry status` shows mode journal, then place the marker again',
          retryable: true,
        },
      );
    }
    return this.#host.placeMarker(marker);
  }

  /** A destination confirmed more. */
  wake(): void {
    void this.#free();
  }

  /** Resolves when every closed segment is sealed and destaged, or that has taken too long (a volume is offline, say). */
  async stop(): Promise<void> {
    await this.#host.drain();
    if (this.#queue.length > 0 || this.#working) {
      await Promise.race([
        new Promise<void>((resolve) => this.#idle.push(resolve)),
        new Promise<void>((resolve) => this.#platform.clock.after(DRAIN_LIMIT, resolve)),
      ]);
    }
    this.#stopping = true;
    this.#timer?.cancel();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let item = this.#queue[0]; item !== undefined && !this.#stopping; item = this.#queue[0]) {
      if (await this.#process(item.raw, item.generation)) this.#queue.shift();
      else await new Promise<void>((resolve) => this.#platform.clock.after(RETRY, resolve));
    }
    this.#working = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** False when it must be tried again. */
  async #process(raw: ClosedRaw, generation: number): Promise<boolean> {
    try {
      const sealed = await this.#back.seal(raw, this.#state !== 'suspended');
      if (sealed !== undefined && !this.#sealed.some((segment) => segment.name === sealed.name)) {
        this.#sealed.push(sealed);
        this.#options.onSealed();
      }
      if (this.waits.clear('buffer-disk-full') && this.#state === 'open') await this.#host.refuse(undefined);
      this.#checkpoint = await this.#back.apply(raw);
      this.waits.clear('volume-offline');
      await this.#host.destaged(generation);
      await this.#host.release(raw.path);
      await this.#free();
      await this.#govern();
      return true;
    } catch (error) {
      this.#onWorkError(error);
      return false;
    }
  }

  #onWorkError(error: unknown): void {
    const code = errorCode(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      const sentence = `the file system of ${this.#options.folder} is full: a replication file could not be written`;
      if (this.waits.raise('buffer-disk-full', sentence)) this.#log.error(sentence);
      if (this.#options.whenFull === 'suspend-replication') this.#suspend(sentence);
      else void this.#host.refuse({ code: 'ENOSPC', message: sentence });
      return;
    }
    if (
      this.waits.raise(code === 'VOLUME_OFFLINE' ? 'volume-offline' : 'destage-failed', describeError(error))
    ) {
      this.#log.error(describeError(error), { code });
    }
  }

  /** I5: gone only when destaged here and durably received by every destination. */
  async #free(): Promise<void> {
    const received = this.#options.received() ?? lsn(Number.MAX_SAFE_INTEGER);
    const limit = Math.min(received, this.#checkpoint.applied);
    const done = this.#sealed.filter((segment) => segment.range.last <= limit);
    if (done.length === 0) return;
    this.#sealed = this.#sealed.filter((segment) => segment.range.last > limit);
    for (const segment of done) await this.#back.remove(segment.path);
  }

  /** Keeps the buffer within its quota. */
  async #govern(): Promise<void> {
    const used = this.bufferUsed;
    const { quota, whenFull, segmentBytesMax } = this.#options;
    const decision = bufferDecision({ state: this.#state, used, quota, segmentBytesMax, whenFull });
    await this.#host.setCopyPaused(used > quota / 2);
    if (decision === this.#state) {
      if (decision === 'open' && !this.#initialized && !this.#copying) await this.#beginCopy();
      return;
    }
    if (decision === 'refusing') {
      const message = `the buffer holds ${used} of ${quota} bytes: writes are refused until the destinations catch up`;
      await this.#host.refuse({ code: 'ENOSPC', message });
      this.waits.raise('buffer-full', message);
      this.#log.error(message);
    } else if (decision === 'suspended') {
      this.#suspend(`the buffer holds ${used} of ${quota} bytes`);
      return;
    } else {
      await this.#host.refuse(undefined);
      this.waits.clear('buffer-full');
      this.waits.clear('replication-suspended');
      this.#log.info(
        this.#state === 'suspended' ? 'replication begins again with a full copy' : 'writes are taken again',
      );
    }
    this.#state = decision;
  }

  #suspend(why: string): void {
    if (this.#state === 'suspended') return;
    this.#state = 'suspended';
    this.#initialized = false;
    this.#copying = false;
    this.#options.onInitialized(false);
    const message = `${why}: replication is suspended, and begins again with a full copy when the buffer is half empty`;
    this.waits.raise('replication-suspended', message);
    this.#log.error(message);
  }

  async #beginCopy(): Promise<void> {
    this.#copying = true;
    this.#log.info('initial copy begins');
    await this.#host.beginCopy();
  }

  /** Also moves what no event moves: a disk that has room again, a quota that is free again. */
  #housekeep(): void {
    this.#timer = this.#platform.clock.after(HOUSEKEEPING, () => {
      void this.#free()
        .then(() => this.#govern())
        .catch((error: unknown) => this.#log.warn(describeError(error)))
        .then(() => {
          if (!this.#stopping) this.#housekeep();
        });
    });
  }
}

/** The lowest of what the destinations have received, or undefined when there are none. */
export function receivedByAll(received: readonly Lsn[]): Lsn | undefined {
  return received.length === 0 ? undefined : lsn(Math.min(...received, Number.MAX_SAFE_INTEGER)) || LSN_NONE;
}
