/** Durability that is waited for together: while one sync runs, all that come wait for the next (I1). */
import type { Lsn } from '../journal/ids.ts';

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
        await this.#options.sync(target);
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
