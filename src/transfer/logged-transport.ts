import type { Clock } from '../platform/clock.ts';
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from './transport.ts';

/** Tells at level `debug` what is asked of a server, how long it took and what came of it. */
export class LoggedTransport implements Transport {
  readonly description: string;
  readonly #inner: Transport;
  readonly #log: Log;
  readonly #clock: Clock;

  constructor(inner: Transport, log: Log, clock: Clock) {
    this.#inner = inner;
    this.#log = log;
    this.#clock = clock;
    this.description = inner.description;
  }

  put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    return this.#logged(`put ${name}`, source.size, () => this.#inner.put(source, name, options));
  }

  get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    return this.#logged(`get ${name}`, target.size, () => this.#inner.get(name, target, options));
  }

  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#logged(`read ${name}`, undefined, () => this.#inner.readSmall(name, limit, signal));
  }

  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    return this.#logged(`list ${folder}`, undefined, () => this.#inner.list(folder, signal));
  }

  remove(name: string, signal: AbortSignal): Promise<void> {
    return this.#logged(`remove ${name}`, undefined, () => this.#inner.remove(name, signal));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #logged<T>(what: string, bytes: number | undefined, work: () => Promise<T>): Promise<T> {
    const begun = this.#clock.monotonic();
    const tell = (outcome: string, code?: string): void => {
      const took = Math.round(this.#clock.monotonic() - begun);
      this.#log.debug(`${this.description}: ${what}: ${outcome}`, { bytes, took, code });
    };
    try {
      const result = await work();
      tell('done');
      return result;
    } catch (error) {
      tell(describeError(error), error instanceof TransportError ? error.code : undefined);
      throw error;
    }
  }
}
