import { setTimeout as sleep } from 'node:timers/promises';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
  type TransportErrorCode,
} from '../../src/transfer/transport.ts';

export type TransportOperation = 'put' | 'get' | 'readSmall' | 'list' | 'remove';

/**
 * `refused`: nothing reaches the server. `cut`: the connection is lost when the server has so many bytes of a `put`, or this
 * side of a `get`.
 * `answer-lost`: it is done at the server, but the caller is told otherwise. `slow`: so many milliseconds go by first.
 */
export type Fault =
  | { readonly kind: 'refused'; readonly code: TransportErrorCode }
  | { readonly kind: 'cut'; readonly after: number }
  | { readonly kind: 'answer-lost'; readonly code: TransportErrorCode }
  | { readonly kind: 'slow'; readonly milliseconds: number };

/** What goes wrong with the operation that is about to be made, if anything. */
export type FaultPlan = (operation: TransportOperation, name: string) => Fault | undefined;

/** A transport on which things go wrong as planned. */
export class FaultyTransport implements Transport {
  readonly description: string;
  readonly #inner: Transport;
  readonly #plan: FaultPlan;

  constructor(inner: Transport, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
    this.description = inner.description;
  }

  put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const fault = this.#plan('put', name);
    if (fault?.kind === 'cut')
      return this.#cut(name, options, fault.after, (cut) => this.#inner.put(source, name, cut));
    return this.#with(fault, name, () => this.#inner.put(source, name, options));
  }

  get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    const fault = this.#plan('get', name);
    if (fault?.kind === 'cut')
      return this.#cut(name, options, fault.after, (cut) => this.#inner.get(name, target, cut));
    return this.#with(fault, name, () => this.#inner.get(name, target, options));
  }

  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#with(this.#plan('readSmall', name), name, () => this.#inner.readSmall(name, limit, signal));
  }

  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    return this.#with(this.#plan('list', folder), folder, () => this.#inner.list(folder, signal));
  }

  remove(name: string, signal: AbortSignal): Promise<void> {
    return this.#with(this.#plan('remove', name), name, () => this.#inner.remove(name, signal));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #with<T>(fault: Fault | undefined, name: string, work: () => Promise<T>): Promise<T> {
    if (fault?.kind === 'slow') await sleep(fault.milliseconds);
    if (fault?.kind === 'refused') throw this.#planned(fault.code, name);
    const result = await work();
    if (fault?.kind === 'answer-lost') throw this.#planned(fault.code, name);
    return result;
  }

  async #cut(
    name: string,
    options: TransferOptions,
    after: number,
    transfer: (options: TransferOptions) => Promise<void>,
  ): Promise<void> {
    const cut = new AbortController();
    try {
      await transfer({
        ...options,
        signal: AbortSignal.any([options.signal, cut.signal]),
        onProgress: (bytes) => {
          options.onProgress?.(bytes);
          if (bytes >= after) cut.abort();
        },
      });
    } catch (error) {
      if (!cut.signal.aborted || options.signal.aborted) throw error;
    }
    // A cut behind the last byte still hides from the sender that the file was published.
    throw this.#planned('ConnectionLost', name);
  }

  #planned(code: TransportErrorCode, name: string): TransportError {
    return new TransportError(code, `${this.description}: ${name}: a planned fault`, {
      remedy: 'none: it is a test',
    });
  }
}
