/**
 * FTP and FTPS through basic-ftp. FTP has no sync: a file that was put is complete at the server but not yet durable, and
 * only the destination's status file tells that a segment is.
 */
import { PART_SUFFIX } from '../../journal/names.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from '../transport.ts';
import { ftpError } from './ftp-errors.ts';
import type { FtpTransportOptions } from './ftp-options.ts';
import { FtpSession } from './ftp-session.ts';
import { checkRemoteSize, receiveInto } from './local-part.ts';
import { checkFolder, parseName } from './names.ts';
import { monotonicProgress } from './progress.ts';
import { arrivedWrong, tooLarge } from './refusals.ts';
import { RESUME_MIN, resumeOffset } from './resume.ts';
import { answerCode } from './server-errors.ts';
import { ServerFolder, uploadPart, type PartUpload } from './server-folder.ts';

export class FtpTransport implements Transport {
  readonly description: string;
  readonly #folder: ServerFolder<FtpSession>;

  constructor(options: FtpTransportOptions) {
    this.#folder = new ServerFolder(options, {
      scheme: options.tls === 'none' ? 'ftp' : 'ftps',
      session: (path) => new FtpSession({ ...options, path }),
      wasDead,
      asError: ftpError,
    });
    this.description = this.#folder.description;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const path = this.#folder.path(name);
    const part = path + PART_SUFFIX;
    const progress = monotonicProgress(source.size, options.onProgress);
    await this.#folder.run(`sending ${name}`, options.signal, async (session) => {
      if (folder !== undefined) await session.ensureFolder(this.#folder.path(folder));
      let wasThere;
      try {
        wasThere = await complete(session, { source, part, progress, pace: options.pace });
        // From here on an abort would leave it open whether the file was published.
        session.cancellable = false;
        await replace(session, part, path);
      } catch (error) {
        throw (await obstacle(session, error, [part, path])) ?? error;
      }
      if (!wasThere) return;
      // To a part that was there, what a cut transfer left running at the server may have written behind our back.
      const size = await session.size(path);
      // A receiver may have taken the file away already.
      if (size !== undefined && size !== source.size) throw arrivedWrong(path, size, source.size);
    });
  }

  async get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    parseName(name);
    const path = this.#folder.path(name);
    const action = `fetching ${name}`;
    await this.#folder.run(action, options.signal, async (session) => {
      checkRemoteSize(`${this.description}: ${action}`, await session.size(path), target.size);
      await receiveInto(target, options, async (part) => {
        if (part.position < part.size) await session.download(path, part, options.pace);
      });
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    const path = this.#folder.path(name);
    return this.#folder.run(`reading ${name}`, signal, async (session) => {
      // Some servers tear the connection down when a file that is not there is asked for.
      const size = await session.size(path);
      if (size === undefined) return undefined;
      if (size > limit) throw tooLarge(`${this.description}: reading ${name}`, limit);
      return session.read(path, limit);
    });
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#folder.run(`listing ${folder}`, signal, (session) =>
      session.list(this.#folder.path(folder)),
    );
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    const path = this.#folder.path(name);
    await this.#folder.run(`removing ${name}`, signal, async (session) => {
      try {
        await session.remove(path);
      } catch (error) {
        // The reply is the same when it is not there and when it may not be removed.
        if (answerCode(error) !== 550 || (await session.size(path)) !== undefined) throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#folder.close();
  }
}

/** The part has the source's size when this resolves; to whether there may have been one before. */
async function complete(session: FtpSession, upload: PartUpload): Promise<boolean> {
  const { part, source } = upload;
  const isResumable = source.size >= RESUME_MIN;
  const held = isResumable ? await session.size(part) : undefined;
  const offset = resumeOffset(held, source.size);
  let size = await sendBehind(session, upload, offset);
  // The server may still have been writing what it got of the cut transfer when it told the part's size.
  if (size !== source.size && offset > 0) size = await sendBehind(session, upload, 0);
  if (size === source.size) return !isResumable || held !== undefined;
  if (size !== undefined) await session.remove(part);
  throw arrivedWrong(part, size ?? 0, source.size);
}

/** Sends what lies behind `offset`; returns the part's size afterwards. */
async function sendBehind(
  session: FtpSession,
  upload: PartUpload,
  offset: number,
): Promise<number | undefined> {
  const { source, part, progress } = upload;
  if (offset > 0 && offset === source.size) {
    progress(offset);
    return offset;
  }
  await uploadPart(upload, offset, (what, onBytes) => session.upload(what, part, onBytes));
  return session.size(part);
}

/** 421 is what a server says that was about to close an idle connection; anything that is no reply is a broken one. */
function wasDead(error: unknown): boolean {
  const code = answerCode(error);
  return code === undefined || code === 421;
}

/** Some servers refuse to rename over a file that exists; then the old one goes first. */
async function replace(session: FtpSession, part: string, path: string): Promise<void> {
  try {
    await session.rename(part, path);
  } catch (error) {
    if (answerCode(error) === undefined || (await session.size(path)) === undefined) throw error;
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
  if (session.closed || answerCode(refusal) === undefined) return undefined;
  for (const path of paths) {
    if (!(await session.enter(path).catch(() => false))) continue;
    const remedy = `move ${path} away at the server`;
    return new TransportError('Exists', `${path} is a folder`, { remedy, cause: refusal });
  }
  return undefined;
}
