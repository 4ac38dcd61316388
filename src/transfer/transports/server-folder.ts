/** A group's folder on a server that one logs in to, and the connections to it: what FTP and SFTP have in common. */
import type { LocalFile, Pace, TransportError } from '../transport.ts';
import { changed, openLocalFile } from './local-file.ts';
import type { ReportProgress } from './progress.ts';
import type { UploadSource } from './read-ahead.ts';
import { cancelled } from './refusals.ts';
import type { ServerErrorContext } from './server-errors.ts';
import { SessionPool, type PooledSession } from './session-pool.ts';

/** Milliseconds that a connection is kept unused; servers close idle ones after some minutes. */
const IDLE_LIMIT = 60_000;

export interface ServerFolderOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The group's folder as the server shows it, absolute. */
  readonly path: string;
  /** At once, at most. */
  readonly connections: number;
}

export interface ServerProtocol<Session> {
  readonly scheme: string;
  /** A session that is not open yet, for a folder's path without a slash at its end. */
  readonly session: (path: string) => Session;
  /** Whether an error may be a kept connection's end, of which this side had not heard. */
  readonly wasDead: (error: unknown) => boolean;
  readonly asError: (error: unknown, context: ServerErrorContext) => TransportError;
}

export class ServerFolder<Session extends PooledSession> {
  readonly description: string;
  readonly #root: string;
  readonly #asError: ServerProtocol<Session>['asError'];
  readonly #pool: SessionPool<Session>;
  #closing = new AbortController();

  constructor(options: ServerFolderOptions, protocol: ServerProtocol<Session>) {
    const { scheme, session, wasDead, asError } = protocol;
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    this.#root = options.path.replace(/\/+$/, '');
    const path = this.#root === '' ? '/' : this.#root;
    this.description = `${scheme}://${encodeURIComponent(options.user)}@${host}:${options.port}${path}`;
    this.#asError = asError;
    this.#pool = new SessionPool({
      connections: options.connections,
      create: () => session(path),
      wasDead,
      server: this.description,
      idleLimit: IDLE_LIMIT,
    });
  }

  /** Of a file or folder below this one, as the server shows it. */
  path(name: string): string {
    return `${this.#root}/${name}`;
  }

  /** Does `work` on a connection. @throws TransportError */
  async run<T>(action: string, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    if (either.aborted) throw cancelled(`${this.description}: ${action}`);
    try {
      return await this.#pool.use(either, work);
    } catch (error) {
      throw this.#asError(error, { server: this.description, action });
    }
  }

  /** Ends every connection; work under way is rejected. */
  close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    this.#pool.close();
    return Promise.resolve();
  }
}

/** One upload into a part. */
export interface PartUpload {
  readonly source: LocalFile;
  readonly part: string;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
}

/**
 * Opens the source, has `send` bring what lies behind `start` to the server, and sees that it was the whole. `send` returns
 * where the source ended.
 */
export async function uploadPart(
  { source, progress, pace }: PartUpload,
  start: number,
  send: (what: UploadSource, onBytes: ReportProgress) => Promise<number>,
): Promise<void> {
  progress(start);
  const file = await openLocalFile(source);
  try {
    // What went out may still be on its way: the whole counts as taken only once the server has said so.
    const onBytes = (position: number): void => progress(Math.min(position, source.size - 1));
    const end = await send({ local: source, file, start, pace }, onBytes);
    if (end !== source.size) throw changed(source, end);
  } finally {
    await file.close();
  }
  progress(source.size);
}
