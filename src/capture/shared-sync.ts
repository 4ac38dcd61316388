/** Durability that is waited for together: while one sync runs, all that come wait for the next (I1). */
import type { Clock } from '../platform/clock.ts';
import type { Lsn } from '../journal/ids.ts';

/**
 * Milliseconds: a sync that takes no longer is waited for in this thread, by whom it serves alone. To have another thread
 * wait takes 0.1 ms, of 0.4 ms on a fast disk; on a slow one whoever comes meanwhile would wait for too long.
 */
const HERE_MAX = 2;

interface Waiter {
  readonly target: Lsn;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface SharedSyncOptions {
  /** The last record that is durable at the start. */
  readonly durable: Lsn;
  /** The newest record. */
  readonly last: () => Lsn;
  /** Makes everything up to `target`, the newest record at the call, durable. */
  readonly sync: (target: Lsn) => Promise<void>;
  /** The same in this thread; false when there is too much of it for that. */
  readonly syncNow: () => boolean;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** More is to be synced than anyone waits for. */
  readonly due: () => boolean;
  /** A sync failed; there will be no other. Returns what those who wait are told. */
  readonly onFailed: (cause: unknown) => Error;
}

export class SharedSync {
  readonly #options: SharedSyncOptions;
  #durable: Lsn;
  #waiters: Waiter[] = [];
  #running = false;
  #failed = false;
  /** Milliseconds that the latest sync took. */
  #took = 0;

  constructor(options: SharedSyncOptions) {
    this.#options = options;
    this.#durable = options.durable;
  }

  get durable(): Lsn {
    return this.#durable;
  }

  /** Resolves when everything there is at this call is durable. */
  wait(): Promise<void> {
    const target = this.#options.last();
    if (this.#durable >= target) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ target, resolve, reject });
      this.kick();
    });
  }

  /** The same; to wait in this thread keeps nobody else waiting. */
  waitHere(): Promise<void> {
    const target = this.#options.last();
    if (this.#running || this.#failed || this.#durable >= target || this.#took > HERE_MAX) return this.wait();
    const begun = this.#options.clock.monotonic();
    try {
      if (!this.#options.syncNow()) return this.wait();
    } catch (error) {
      const failure = this.#options.onFailed(error);
      this.fail(failure);
      return Promise.reject(failure);
    }
    this.#took = this.#options.clock.monotonic() - begun;
    this.#durable = target;
    return Promise.resolve();
  }

  /** Looks whether a sync is due. */
  kick(): void {
    if (this.#running || this.#failed) return;
    this.#running = true;
    void this.#run();
  }

  /** Nobody is to wait any longer. */
  fail(error: Error): void {
    this.#failed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  async #run(): Promise<void> {
    try {
      while (!this.#failed && (this.#waiters.length > 0 || this.#options.due())) {
        const target = this.#options.last();
        const begun = this.#options.clock.monotonic();
        await this.#options.sync(target);
        this.#took = this.#options.clock.monotonic() - begun;
        this.#durable = target;
        this.#answer(target);
      }
    } catch (error) {
      this.fail(this.#options.onFailed(error));
    } finally {
      this.#running = false;
    }
  }

  #answer(target: Lsn): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.target <= target) waiter.resolve();
      return waiter.target > target;
    });
  }
}
