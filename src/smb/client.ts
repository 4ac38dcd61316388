/**
 * A share on a server, connected to when it is used and again after the connection was lost. All that is done at a time goes
 * over one connection.
 */
import { SmbError } from './errors.ts';
import { openSession, type SessionOptions } from './session.ts';
import { SmbTree } from './tree.ts';

export interface SmbClientOptions extends SessionOptions {
  /** Its name alone: `backup`. */
  readonly share: string;
}

/** Milliseconds that a connection is kept unused. */
const IDLE_LIMIT = 60_000;
/** Milliseconds that what was cancelled may take to close its files; then the connection is closed over it. */
const CANCEL_GRACE = 2_000;

export class SmbClient {
  readonly #options: SmbClientOptions;
  /** Connected, or lost since. */
  #tree: SmbTree | undefined;
  #connecting: Promise<SmbTree> | undefined;
  #previousSessionId: bigint | undefined;
  /** Aborted when connecting is to be given up. */
  #abandon = new AbortController();
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: SmbClientOptions) {
    this.#options = options;
  }

  /**
   * Does `work` on the share. When a connection that was kept proves dead before it has answered anything, the work is begun
   * once more on a fresh one. @throws SmbError, or what `work` throws
   */
  async use<T>(work: (tree: SmbTree) => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#users += 1;
    clearTimeout(this.#idle);
    try {
      const kept = this.#kept();
      if (kept === undefined) return await this.#attempt(work, signal);
      const { connection } = kept.session;
      const { answers } = connection;
      try {
        return await this.#attempt(work, signal);
      } catch (error) {
        const wasDead = connection.ended?.code === 'CONNECTION_LOST' && connection.answers === answers;
        if (!wasDead || signal?.aborted === true) throw error;
        return await this.#attempt(work, signal);
      }
    } finally {
      this.#users -= 1;
      if (this.#users === 0) {
        this.#idle = setTimeout(() => void this.close(), IDLE_LIMIT);
        this.#idle.unref();
      }
    }
  }

  /** Closes the connection; work under way is rejected with `CANCELLED`. The client can be used again afterwards. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const tree = this.#tree;
    this.#tree = undefined;
    this.#connecting = undefined;
    this.#abandon.abort();
    this.#abandon = new AbortController();
    if (this.#users === 0) await tree?.close();
    else tree?.session.connection.end(new SmbError('CANCELLED', 'the connection was closed'));
  }

  /** The tree of a connection that lives, as far as is known. */
  #kept(): SmbTree | undefined {
    return this.#tree?.session.connection.ended === undefined ? this.#tree : undefined;
  }

  async #attempt<T>(work: (tree: SmbTree) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const tree = await unlessAborted(this.#connected(), signal);
    let timer: NodeJS.Timeout | undefined;
    const abort = (): void => {
      timer = setTimeout(() => {
        tree.session.connection.end(
          new SmbError('CONNECTION_LOST', 'the server does not let go of what was cancelled'),
        );
      }, CANCEL_GRACE);
    };
    signal?.addEventListener('abort', abort);
    try {
      return await work(tree);
    } catch (error) {
      // A server that ended the session or the share, but not the connection, keeps nothing that could be used again.
      if (error instanceof SmbError && error.code === 'CONNECTION_LOST') tree.session.connection.end(error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  #connected(): Promise<SmbTree> {
    const kept = this.#kept();
    if (kept !== undefined) return Promise.resolve(kept);
    // Somebody else may be connecting already.
    if (this.#connecting !== undefined) return this.#connecting;
    const connecting = this.#connect(this.#abandon.signal).finally(() => {
      if (this.#connecting === connecting) this.#connecting = undefined;
    });
    this.#connecting = connecting;
    return connecting;
  }

  async #connect(signal: AbortSignal): Promise<SmbTree> {
    const { host, share } = this.#options;
    const session = await openSession(
      { ...this.#options, previousSessionId: this.#previousSessionId },
      signal,
    );
    this.#previousSessionId = session.id;
    try {
      const tree = await SmbTree.connect(session, `\\\\${host}\\${share}`, signal);
      if (signal.aborted) throw new SmbError('CANCELLED', 'the connection was closed');
      this.#tree = tree;
      return tree;
    } catch (error) {
      session.connection.end(new SmbError('CANCELLED', 'the share could not be connected to'));
      throw error;
    }
  }
}

/** What `promise` resolves to, unless the signal is aborted first. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new SmbError('CANCELLED', 'it was cancelled before it began'));
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    promise.catch(() => undefined);
  }
}
