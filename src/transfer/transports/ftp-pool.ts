import { cancelled } from './refusals.ts';
import { replyCode } from './ftp-errors.ts';
import type { FtpSession } from './ftp-session.ts';

export interface FtpPoolOptions {
  /** At once, at most. */
  readonly connections: number;
  /** A session that is not open yet. */
  readonly create: () => FtpSession;
  /** The server, for errors. */
  readonly server: string;
  /** Milliseconds that a connection is kept for the next use. */
  readonly idleLimit: number;
}

/**
 * Connections to one server, each lent to one user at a time. A connection is lent again only after work that went
 * well: behind a failed transfer the server's late replies would be taken for those to the next command.
 */
export class FtpPool {
  readonly #options: FtpPoolOptions;
  readonly #open = new Set<FtpSession>();
  readonly #idle: { readonly session: FtpSession; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #lent = 0;

  constructor(options: FtpPoolOptions) {
    this.#options = options;
  }

  /** Waits for a connection, and does `work` on it. */
  async use<T>(signal: AbortSignal, work: (session: FtpSession) => Promise<T>): Promise<T> {
    await this.#wait(signal);
    try {
      const kept = this.#take();
      if (kept === undefined) return await this.#useFresh(signal, work);
      try {
        return await this.#attempt(kept, signal, work);
      } catch (error) {
        // The server closed it meanwhile, or was restarted, and then the others are dead too.
        if (kept.answered || signal.aborted || !wasDead(error)) throw error;
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

  #useFresh<T>(signal: AbortSignal, work: (session: FtpSession) => Promise<T>): Promise<T> {
    const session = this.#options.create();
    this.#open.add(session);
    return this.#attempt(session, signal, async () => {
      await session.open();
      return work(session);
    });
  }

  async #attempt<T>(
    session: FtpSession,
    signal: AbortSignal,
    work: (session: FtpSession) => Promise<T>,
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

  #take(): FtpSession | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      clearTimeout(kept.timer);
      if (!kept.session.closed) return kept.session;
      this.#end(kept.session);
    }
    return undefined;
  }

  #keep(session: FtpSession): void {
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

  #end(session: FtpSession): void {
    this.#open.delete(session);
    session.end(cancelled(this.#options.server));
  }
}

/** 421 is what a server says that was about to close an idle connection; anything that is no reply is a broken one. */
function wasDead(error: unknown): boolean {
  const code = replyCode(error);
  return code === undefined || code === 421;
}
