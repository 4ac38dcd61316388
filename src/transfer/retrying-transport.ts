import { sleep, type Clock } from '../platform/clock.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from './transport.ts';

/** Milliseconds before each further attempt. */
const PAUSES = [500, 2000] as const;

/**
 * Tries again what is small, when only the connection or the server's haste was at fault, so that one lost connection is no
 * news. When a file is sent or fetched again the link decides, which knows what is more urgent by then, and that it goes on from what
 * has arrived. What takes a time limit to fail is not tried again here either.
 */
export class RetryingTransport implements Transport {
  readonly description: string;
  readonly #inner: Transport;
  readonly #clock: Clock;

  constructor(inner: Transport, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
    this.description = inner.description;
  }

  put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    return this.#inner.put(source, name, options);
  }

  get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    return this.#inner.get(name, target, options);
  }

  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#again(signal, () => this.#inner.readSmall(name, limit, signal));
  }

  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    return this.#again(signal, () => this.#inner.list(folder, signal));
  }

  remove(name: string, signal: AbortSignal): Promise<void> {
    return this.#again(signal, () => this.#inner.remove(name, signal));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #again<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (const pause of PAUSES) {
      try {
        return await attempt();
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      // Cut short when it is cancelled, which the next attempt then says.
      await sleep(this.#clock, pause, signal);
    }
    return attempt();
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof TransportError && (error.code === 'ConnectionLost' || error.code === 'Busy');
}
