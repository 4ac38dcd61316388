import { cancelled } from './refusals.ts';

/** One connection to a server. */
export interface PooledSession {
  /** Whether the server has answered anything since the session was last taken from the pool. */
  answered: boolean;
  /** False once a publication has begun that an abort could no longer take back. */
  cancellable: boolean;
  readonly closed: boolean;
  open(): Promise<void>;
  /** Rejects with `reason` whatever waits. */
  end(reason: Error): void;
}

export interface SessionPoolOptions<Session extends PooledSession> {
  /** At once, at most. */
  readonly connections: number;
  /** A session that is not open yet. */
  readonly create: () => Session;
  /** Whether an error may be a kept connection's end, of which this side had not heard. */
  readonly wasDead: (error: unknown) => boolean;
  /** The server, for errors. */
  readonly server: string;
  /** Milliseconds that a connection is kept for the next use. */
  readonly idleLimit: number;
}

/**
 * Connections to one server, each lent to one user at a time. A connection is lent again only after work that went
 * well: behind a failed transfer the server's late replies would be taken for those to the next command.
 */
export class SessionPool<Session extends PooledSession> {
  readonly #options: SessionPoolOptions<Session>;
  readonly #open = new Set<Session>();
  readonly #idle: { readonly session: Session; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #lent = 0;

  constructor(options: SessionPoolOptions<Session>) {
    this.#options = options;
  }

  /** Waits for a connection, and does `work` on it. */
  async use<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    await this.#wait(signal);
    try {
      const kept = this.#take();
      if (kept === undefined) return await this.#useFresh(signal, work);
      try {
        return await this.#attempt(kept, signal, work);
      } catch (error) {
        // The server closed it meanwhile, or was restarted, and then the others are dead too.
        if (kept.answered || signal.aborted || !this.#options.wasDead(error)) throw error;
        this.#endIdle();
        return await this.#useFresh(signal, work);
      }
    } finally {
      this.#lent -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Ends all connections; those that use one are rejected. */
  close(): void {
    this.#endIdle();
    for (const session of this.#open) this.#end(session);
  }

  #useFresh<T>(signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#options.create();
    this.#open.add(session);
    return this.#attempt(session, signal, async () => {
      await session.open();
      return work(session);
    });
  }

  async #attempt<T>(
    session: Session,
    signal: AbortSignal,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const abort = (): void => {
      if (session.cancellable) this.#end(session);
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    try {
      const result = await work(session);
      this.#keep(session);
      return result;
    } catch (error) {
      this.#end(session);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Resolves when one more connection may be used. @throws TransportError `Cancelled` */
  async #wait(signal: AbortSignal): Promise<void> {
    while (this.#lent >= this.#options.connections && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const wake = (): void => resolve(undefined);
      this.#waiting.push(wake);
      signal.addEventListener('abort', wake);
      await promise;
      signal.removeEventListener('abort', wake);
      const place = this.#waiting.indexOf(wake);
      if (place >= 0) this.#waiting.splice(place, 1);
    }
    if (signal.aborted) {
      // It may have been this one's turn just when it was aborted.
      this.#waiting.shift()?.();
      throw cancelled(this.#options.server);
    }
    this.#lent += 1;
  }

  #take(): Session | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      clearTimeout(kept.timer);
      if (!kept.session.closed) return kept.session;
      this.#end(kept.session);
    }
    return undefined;
  }

  #keep(session: Session): void {
    session.answered = false;
    session.cancellable = true;
    const timer = setTimeout(() => {
      const place = this.#idle.findIndex((kept) => kept.session === session);
      if (place >= 0) this.#idle.splice(place, 1);
      this.#end(session);
    }, this.#options.idleLimit);
    timer.unref();
    this.#idle.push({ session, timer });
  }

  #endIdle(): void {
    for (const { session, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      this.#end(session);
    }
  }

  #end(session: Session): void {
    this.#open.delete(session);
    session.end(cancelled(this.#options.server));
  }
}
