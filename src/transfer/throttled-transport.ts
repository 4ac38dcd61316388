import { OUTBOX_STATUS_FOLDER } from '../journal/names.ts';
import type { Party } from './schedule/fair-share.ts';
import type { SharedLink } from './shared-link.ts';
import type { LocalFile, RemoteFile, TransferOptions, Transport } from './transport.ts';

/**
 * A transport whose files wait for their turn and go at the link's pace. What is read, listed and removed is small and goes
 * at once, and so is this side's own word, which is put there: it may neither wait behind files nor hold one up.
 */
export class ThrottledTransport implements Transport {
  readonly description: string;
  readonly #inner: Transport;
  readonly #link: SharedLink;
  readonly #party: () => Party;
  #closing = new AbortController();

  /** `party` is asked for each file: a stream may be a copy now and live later, and weights change. */
  constructor(inner: Transport, link: SharedLink, party: () => Party) {
    this.#inner = inner;
    this.#link = link;
    this.#party = party;
    this.description = inner.description;
  }

  put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    if (name.startsWith(`${OUTBOX_STATUS_FOLDER}/`)) return this.#inner.put(source, name, options);
    return this.#inTurn(source.size, options, (paced) => this.#inner.put(source, name, paced));
  }

  /** What is received takes its turn, and counts towards the rate, as what is sent does. */
  get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    return this.#inTurn(target.size, options, (paced) => this.#inner.get(name, target, paced));
  }

  async #inTurn(
    cost: number,
    options: TransferOptions,
    work: (paced: TransferOptions) => Promise<void>,
  ): Promise<void> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const party = this.#party();
    const pace = async (wanted: number): Promise<number> => {
      const allowed = (await options.pace?.(wanted)) ?? wanted;
      return this.#link.pace(party, allowed, signal);
    };
    await this.#link.send({ party, cost }, signal, () => work({ ...options, signal, pace }));
  }

  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#inner.readSmall(name, limit, signal);
  }

  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    return this.#inner.list(folder, signal);
  }

  remove(name: string, signal: AbortSignal): Promise<void> {
    return this.#inner.remove(name, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    await this.#inner.close();
  }
}
