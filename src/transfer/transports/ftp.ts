/**
 * FTP and FTPS through basic-ftp. FTP has no sync: a file that was put is complete at the server but not yet durable, and
 * only the destination's status file tells that a segment is.
 */
import { PART_SUFFIX } from '../../journal/names.ts';
import {
  TransportError,
  type LocalFile,
  type Pace,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from '../transport.ts';
import { ftpError, replyCode } from './ftp-errors.ts';
import type { FtpTransportOptions } from './ftp-options.ts';
import { FtpSession } from './ftp-session.ts';
import { changed, openLocalFile } from './local-file.ts';
import { checkFolder, parseName } from './names.ts';
import { monotonicProgress, type ReportProgress } from './progress.ts';
import { cancelled, tooLarge } from './refusals.ts';
import { resumeOffset } from './resume.ts';
import { SessionPool } from './session-pool.ts';

/** Milliseconds that a connection is kept unused; servers close idle ones after some minutes. */
const IDLE_LIMIT = 60_000;

/** One upload into a part. */
interface PartUpload {
  readonly source: LocalFile;
  readonly part: string;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
}

export class FtpTransport implements Transport {
  readonly description: string;
  readonly #root: string;
  readonly #pool: SessionPool<FtpSession>;
  #closing = new AbortController();

  constructor(options: FtpTransportOptions) {
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    const scheme = options.tls === 'none' ? 'ftp' : 'ftps';
    this.#root = options.path.replace(/\/+$/, '');
    const path = this.#root === '' ? '/' : this.#root;
    this.description = `${scheme}://${encodeURIComponent(options.user)}@${host}:${options.port}${path}`;
    this.#pool = new SessionPool({
      connections: options.connections,
      create: () => new FtpSession({ ...options, path }),
      wasDead,
      server: this.description,
      idleLimit: IDLE_LIMIT,
    });
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const path = this.#path(name);
    const part = path + PART_SUFFIX;
    const progress = monotonicProgress(source.size, options.onProgress);
    await this.#run(`sending ${name}`, options.signal, async (session) => {
      if (folder !== undefined) await session.ensureFolder(this.#path(folder));
      try {
        await this.#complete(session, { source, part, progress, pace: options.pace });
        // From here on an abort would leave it open whether the file was published.
        session.cancellable = false;
        await replace(session, part, path);
      } catch (error) {
        throw (await obstacle(session, error, [part, path])) ?? error;
      }
      const size = await session.size(path);
      // A receiver may have taken the file away already.
      if (size !== undefined && size !== source.size) throw arrivedWrong(path, size, source.size);
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    const path = this.#path(name);
    return this.#run(`reading ${name}`, signal, async (session) => {
      // Some servers tear the connection down when a file that is not there is asked for.
      const size = await session.size(path);
      if (size === undefined) return undefined;
      if (size > limit) throw tooLarge(`${this.description}: reading ${name}`, limit);
      return session.read(path, limit);
    });
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#run(`listing ${folder}`, signal, (session) => session.list(this.#path(folder)));
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    const path = this.#path(name);
    await this.#run(`removing ${name}`, signal, async (session) => {
      try {
        await session.remove(path);
      } catch (error) {
        // The reply is the same when it is not there and when it may not be removed.
        if (replyCode(error) !== 550 || (await session.size(path)) !== undefined) throw error;
      }
    });
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    this.#pool.close();
    return Promise.resolve();
  }

  #path(name: string): string {
    return `${this.#root}/${name}`;
  }

  async #run<T>(action: string, signal: AbortSignal, work: (session: FtpSession) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    if (either.aborted) throw cancelled(`${this.description}: ${action}`);
    try {
      return await this.#pool.use(either, work);
    } catch (error) {
      throw ftpError(error, { server: this.description, action });
    }
  }

  /** The part has the source's size when this resolves. */
  async #complete(session: FtpSession, upload: PartUpload): Promise<void> {
    const { part, source } = upload;
    const offset = resumeOffset(await session.size(part), source.size);
    let size = await this.#upload(session, upload, offset);
    // The server may still have been writing what it got of the cut transfer when it told the part's size.
    if (size !== source.size && offset > 0) size = await this.#upload(session, upload, 0);
    if (size === source.size) return;
    if (size !== undefined) await session.remove(part);
    throw arrivedWrong(part, size ?? 0, source.size);
  }

  /** Sends what lies behind `offset`; returns the part's size afterwards. */
  async #upload(session: FtpSession, upload: PartUpload, offset: number): Promise<number | undefined> {
    const { source, part, progress, pace } = upload;
    progress(offset);
    if (offset > 0 && offset === source.size) return offset;
    const file = await openLocalFile(source);
    // What went out may still be on its way: the whole counts as taken only once the server has said so.
    const onBytes = (position: number): void => progress(Math.min(position, source.size - 1));
    try {
      const end = await session.upload({ local: source, file, start: offset, pace }, part, onBytes);
      if (end !== source.size) throw changed(source, end);
    } finally {
      await file.close();
    }
    progress(source.size);
    return session.size(part);
  }
}

/** 421 is what a server says that was about to close an idle connection; anything that is no reply is a broken one. */
function wasDead(error: unknown): boolean {
  const code = replyCode(error);
  return code === undefined || code === 421;
}

/** Some servers refuse to rename over a file that exists; then the old one goes first. */
async function replace(session: FtpSession, part: string, path: string): Promise<void> {
  try {
    await session.rename(part, path);
  } catch (error) {
    if (replyCode(error) === undefined || (await session.size(path)) === undefined) throw error;
    await session.remove(path);
    await session.rename(part, path);
  }
}

/** Of a refusal: that a folder lies where the file goes, which no two servers say in the same words. */
async function obstacle(
  session: FtpSession,
  refusal: unknown,
  paths: readonly string[],
): Promise<TransportError | undefined> {
  if (session.closed || replyCode(refusal) === undefined) return undefined;
  for (const path of paths) {
    if (!(await session.enter(path).catch(() => false))) continue;
    const remedy = `move ${path} away at the server`;
    return new TransportError('Exists', `${path} is a folder`, { remedy, cause: refusal });
  }
  return undefined;
}

function arrivedWrong(path: string, size: number, expected: number): TransportError {
  return new TransportError(
    'Integrity',
    `${path} has ${size} bytes at the server where ${expected} were sent`,
    {
      remedy: 'see that nothing else writes there; it is sent again from its start',
    },
  );
}
