/**
 * Whether a source takes its hosts' writes, ships them, and has brought over what its volumes held before: keeps the
 * buffer within its quota, the initial copy going, and says why anything stands still.
 */
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Remote } from '../platform/node/threads.ts';
import type { Waits } from '../platform/waits.ts';
import { bufferDecision, type BufferState } from './buffer-policy.ts';
import type { SourceHost } from './source-host.ts';

export interface SourceModeOptions {
  readonly quota: number;
  readonly whenFull: 'refuse-writes' | 'suspend-replication';
  /** The most that sealing one raw segment can add to the buffer, bytes. */
  readonly segmentBytesMax: number;
  readonly initialized: boolean;
  /** Durably noted before replication relies on it. @throws the file system's errors */
  readonly onInitialized: (initialized: boolean) => void;
  /** Bytes of sealed segments. */
  readonly used: () => number;
  /** Bytes that the buffer's file system has left. */
  readonly free: () => number;
}

export class SourceMode {
  readonly #log: Log;
  readonly #waits: Waits;
  readonly #host: Remote<SourceHost>;
  readonly #options: SourceModeOptions;
  #initialized: boolean;
  #copy: 'none' | 'running' | 'complete' = 'none';
  #state: BufferState = 'open';
  #last = Promise.resolve();

  constructor(log: Log, waits: Waits, host: Remote<SourceHost>, options: SourceModeOptions) {
    this.#log = log;
    this.#waits = waits;
    this.#host = host;
    this.#options = options;
    this.#initialized = options.initialized;
  }

  get mode(): 'initializing' | 'journal' | 'suspended' {
    if (this.#state === 'suspended') return 'suspended';
    return this.#initialized ? 'journal' : 'initializing';
  }

  /** What is sealed now goes to the destinations. */
  get shipping(): boolean {
    return this.#state !== 'suspended';
  }

  /** Looks at the buffer and at the copy, and does what is due. One at a time: each looks at what the one before it did. */
  govern(): Promise<void> {
    return this.#serially(() => this.#govern());
  }

  /** Of a copy that a suspension overtook there is nothing to say: it begins again. */
  copied(): void {
    if (this.#copy !== 'running') return;
    this.#copy = 'complete';
    this.govern().catch((error: unknown) => this.#log.warn(describeError(error)));
  }

  /** A replication file could not be written, which is tried again. */
  diskFull(sentence: string): Promise<void> {
    return this.#serially(async () => {
      if (this.#waits.raise('buffer-disk-full', sentence)) this.#log.error(sentence);
      if (this.#options.whenFull === 'suspend-replication') this.#suspend(sentence);
      else await this.#host.refuse({ code: 'ENOSPC', message: sentence });
    });
  }

  /** A replication file was written. */
  diskHasRoom(): Promise<void> {
    return this.#serially(async () => {
      if (this.#waits.clear('buffer-disk-full') && this.#state === 'open') await this.#host.refuse(undefined);
    });
  }

  #serially(action: () => Promise<void>): Promise<void> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #govern(): Promise<void> {
    const { quota, whenFull, segmentBytesMax } = this.#options;
    const used = this.#options.used();
    const free = this.#options.free();
    const decision = bufferDecision({ state: this.#state, used, free, quota, segmentBytesMax, whenFull });
    await this.#host.setCopyPaused(used > quota / 2);
    if (decision === this.#state) {
      if (decision !== 'suspended' && !this.#initialized) this.#moveCopy();
    } else if (decision === 'refusing') {
      const message = `the buffer holds ${used} of ${quota} bytes: writes are refused until the destinations catch up`;
      await this.#host.refuse({ code: 'ENOSPC', message });
      this.#state = decision;
      this.#waits.raise('buffer-full', message);
      this.#log.error(message);
    } else if (decision === 'suspended') {
      this.#suspend(`the buffer holds ${used} of ${quota} bytes`);
    } else await this.#reopen();
  }

  async #reopen(): Promise<void> {
    await this.#host.refuse(undefined);
    this.#waits.clear('buffer-full');
    this.#waits.clear('replication-suspended');
    this.#log.info(
      this.#state === 'suspended' ? 'replication begins again with a full copy' : 'writes are taken again',
    );
    this.#state = 'open';
  }

  /** Noted first: a gap in what is shipped is closed by a full copy alone, also after a crash. */
  #suspend(why: string): void {
    if (this.#state === 'suspended') return;
    this.#options.onInitialized(false);
    this.#state = 'suspended';
    this.#initialized = false;
    this.#copy = 'none';
    const message = `${why}: replication is suspended, and begins again with a full copy when the buffer is half empty`;
    this.#waits.raise('replication-suspended', message);
    this.#log.error(message);
  }

  #moveCopy(): void {
    if (this.#copy === 'complete') {
      this.#options.onInitialized(true);
      this.#initialized = true;
      this.#log.info('initial copy complete: recovery points from here on');
    } else if (this.#copy === 'none' && this.#state === 'open') {
      this.#log.info('initial copy begins');
      this.#copy = 'running';
      // Not waited for: it may need room in the journal, which comes of sealing, and sealing waits for this.
      this.#host.beginCopy().catch((error: unknown) => this.#copyFailed(error));
    }
  }

  #copyFailed(error: unknown): void {
    this.#log.warn(`the initial copy could not begin: ${describeError(error)}`);
    if (this.#copy === 'running') this.#copy = 'none';
  }
}
