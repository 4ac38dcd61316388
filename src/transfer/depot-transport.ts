/**
 * What a link fills where the other side has no server of its own but fetches from this one's: the outbox in place of its
 * inbox, and the status that it puts beside it in place of the one in its own folder. So that a link needs to know nothing of it.
 */
import { INBOX_FOLDER, OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER, STATUS_FOLDER } from '../journal/names.ts';
import type { LocalFile, RemoteFile, TransferOptions, Transport } from './transport.ts';

/** Bytes that a link into a depot keeps there: enough for a fetcher that looks twice a second. See `LinkOptions.ahead`. */
export const DEPOT_AHEAD = 256 * 1024 * 1024;

export class DepotTransport implements Transport {
  readonly description: string;
  readonly #inner: Transport;

  /** `inner`: to this side's own group folder. */
  constructor(inner: Transport) {
    this.#inner = inner;
    this.description = inner.description;
  }

  put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    return this.#inner.put(source, inDepot(name), options);
  }

  get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    return this.#inner.get(inDepot(name), target, options);
  }

  readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#inner.readSmall(inDepot(name), limit, signal);
  }

  list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    return this.#inner.list(inDepot(folder), signal);
  }

  remove(name: string, signal: AbortSignal): Promise<void> {
    return this.#inner.remove(inDepot(name), signal);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

const FOLDERS: Readonly<Record<string, string>> = {
  [INBOX_FOLDER]: OUTBOX_FOLDER,
  [STATUS_FOLDER]: OUTBOX_STATUS_FOLDER,
};

/** Of a name, or of a folder alone. */
function inDepot(name: string): string {
  const [folder = '', ...rest] = name.split('/');
  return [FOLDERS[folder] ?? folder, ...rest].join('/');
}
