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
  /** Connected, or on the way to it, or lost. */
  #tree: Promise<SmbTree> | undefined;
  #connecting: Promise<SmbTree> | undefined;
  #previousSessionId: bigint | undefined;
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
      const kept = await this.#kept();
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
    if (tree === undefined) return;
    try {
      const { connection } = (await tree).session;
      if (this.#users > 0) connection.end(new SmbError('CANCELLED', 'the connection was closed'));
      else await (await tree).close();
    } catch {
      // It was never connected.
    }
  }

  /** The tree of a connection that lives, as far as is known. */
  async #kept(): Promise<SmbTree | undefined> {
    try {
      const tree = await this.#tree;
      return tree?.session.connection.ended === undefined ? tree : undefined;
    } catch {
      return undefined;
    }
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
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  async #connected(): Promise<SmbTree> {
    const kept = await this.#kept();
    if (kept !== undefined) return kept;
    // Somebody else may be connecting already.
    if (this.#connecting === undefined) {
      const connecting = this.#connect();
      const done = (): void => void (this.#connecting = undefined);
      connecting.then(done, done);
      this.#connecting = connecting;
      this.#tree = connecting;
    }
    return this.#connecting;
  }

  async #connect(): Promise<SmbTree> {
    const { host, share } = this.#options;
    const session = await openSession({ ...this.#options, previousSessionId: this.#previousSessionId });
    this.#previousSessionId = session.id;
    try {
      return await SmbTree.connect(session, `\\\\${host}\\${share}`);
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
