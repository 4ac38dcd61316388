/**
 * SFTP through ssh2-sftp-client. Like FTP it has no promise that what was put is durable: only the destination's status
 * file tells that a segment is.
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
import { changed, openLocalFile } from './local-file.ts';
import { checkFolder, parseName } from './names.ts';
import { monotonicProgress, type ReportProgress } from './progress.ts';
import { cancelled } from './refusals.ts';
import { resumeOffset } from './resume.ts';
import { SessionPool } from './session-pool.ts';
import { NO_SUCH_FILE, sftpError, statusCode } from './sftp-errors.ts';
import type { SftpTransportOptions } from './sftp-options.ts';
import { SftpSession } from './sftp-session.ts';
import { WRITE_WINDOW } from './sftp-upload.ts';

/** Milliseconds that a connection is kept unused. */
const IDLE_LIMIT = 60_000;

/** One upload into a part. */
interface PartUpload {
  readonly source: LocalFile;
  /** The folder that holds it; undefined: the group's own. */
  readonly folder: string | undefined;
  readonly part: string;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
}

export class SftpTransport implements Transport {
  readonly description: string;
  readonly #root: string;
  readonly #pool: SessionPool<SftpSession>;
  #closing = new AbortController();

  constructor(options: SftpTransportOptions) {
    const host = options.host.includes(':') ? `[${options.host}]` : options.host;
    this.#root = options.path.replace(/\/+$/, '');
    const path = this.#root === '' ? '/' : this.#root;
    this.description = `sftp://${encodeURIComponent(options.user)}@${host}:${options.port}${path}`;
    this.#pool = new SessionPool({
      connections: options.connections,
      create: () => new SftpSession({ ...options, path }),
      wasDead: (error) => statusCode(error) === undefined,
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
      const parent = folder === undefined ? undefined : this.#path(folder);
      await this.#complete(session, { source, folder: parent, part, progress, pace: options.pace });
      // From here on an abort would leave it open whether the file was published.
      session.cancellable = false;
      await replace(session, part, path);
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    return this.#run(`reading ${name}`, signal, async (session) => {
      const content = await session.read(this.#path(name), limit);
      if (content === undefined) await session.checkRoot();
      return content;
    });
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#run(`listing ${folder}`, signal, async (session) => {
      const files = await session.list(this.#path(folder));
      if (files === undefined) await session.checkRoot();
      return files ?? [];
    });
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    await this.#run(`removing ${name}`, signal, (session) => session.remove(this.#path(name)));
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

  async #run<T>(action: string, signal: AbortSignal, work: (session: SftpSession) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    if (either.aborted) throw cancelled(`${this.description}: ${action}`);
    try {
      return await this.#pool.use(either, work);
    } catch (error) {
      throw sftpError(error, { server: this.description, action });
    }
  }

  /** The part has the source's size when this resolves. */
  async #complete(session: SftpSession, upload: PartUpload): Promise<void> {
    const { part, source } = upload;
    const held = await session.size(part);
    // Writes that were under way when it was cut may have left holes, of which the size says nothing.
    const start = held === undefined ? 0 : Math.max(0, resumeOffset(held, source.size) - WRITE_WINDOW);
    await this.#upload(session, upload, start);
    const size = await session.size(part);
    if (size === source.size) return;
    if (size !== undefined) await session.remove(part);
    throw new TransportError(
      'Integrity',
      `${part} has ${size ?? 0} bytes at the server where ${source.size} were sent`,
      { remedy: 'see that nothing else writes there; it is sent again from its start' },
    );
  }

  async #upload(session: SftpSession, upload: PartUpload, start: number): Promise<void> {
    const { source, folder, part, progress, pace } = upload;
    progress(start);
    const file = await openLocalFile(source);
    try {
      const what = { local: source, file, start, pace };
      const onBytes = (position: number): void => progress(Math.min(position, source.size - 1));
      let end;
      try {
        end = await session.upload(what, part, onBytes);
      } catch (error) {
        if (statusCode(error) !== NO_SUCH_FILE || folder === undefined) throw error;
        await session.checkRoot();
        await session.makeFolder(folder);
        end = await session.upload(what, part, onBytes);
      }
      if (end !== source.size) throw changed(source, end);
    } finally {
      await file.close();
    }
    progress(source.size);
  }
}

/** Not every server has OpenSSH's rename, and the standard's own refuses to rename over a file. */
async function replace(session: SftpSession, part: string, path: string): Promise<void> {
  try {
    await session.posixRename(part, path);
  } catch (error) {
    // Throws `Exists` of a folder, which is what neither renames over.
    const held = session.closed ? undefined : await session.size(path);
    if (session.closed || (statusCode(error) !== undefined && held === undefined)) throw error;
    await session.remove(path);
    await session.rename(part, path);
  }
}
