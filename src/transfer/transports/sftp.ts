/**
 * SFTP through ssh2-sftp-client. Like FTP it has no promise that what was put is durable: only the destination's status
 * file tells that a segment is.
 */
import { PART_SUFFIX } from '../../journal/names.ts';
import type { LocalFile, RemoteFile, TransferOptions, Transport } from '../transport.ts';
import { checkRemoteSize, receiveInto } from './local-part.ts';
import { checkFolder, parseName } from './names.ts';
import { monotonicProgress } from './progress.ts';
import { arrivedWrong } from './refusals.ts';
import { resumeOffset } from './resume.ts';
import { answerCode } from './server-errors.ts';
import { ServerFolder, uploadPart, type PartUpload } from './server-folder.ts';
import { NO_SUCH_FILE, sftpError } from './sftp-errors.ts';
import type { SftpTransportOptions } from './sftp-options.ts';
import { SftpSession } from './sftp-session.ts';
import { WRITE_WINDOW } from './sftp-upload.ts';

export class SftpTransport implements Transport {
  readonly description: string;
  readonly #folder: ServerFolder<SftpSession>;

  constructor(options: SftpTransportOptions) {
    this.#folder = new ServerFolder(options, {
      scheme: 'sftp',
      session: (path) => new SftpSession({ ...options, path }),
      wasDead: (error) => answerCode(error) === undefined,
      asError: sftpError,
    });
    this.description = this.#folder.description;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const path = this.#folder.path(name);
    const part = path + PART_SUFFIX;
    const progress = monotonicProgress(source.size, options.onProgress);
    await this.#folder.run(`sending ${name}`, options.signal, async (session) => {
      const parent = folder === undefined ? undefined : this.#folder.path(folder);
      await complete(session, { source, part, progress, pace: options.pace }, parent);
      // From here on an abort would leave it open whether the file was published.
      session.cancellable = false;
      await replace(session, part, path);
    });
  }

  async get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    parseName(name);
    const path = this.#folder.path(name);
    const action = `fetching ${name}`;
    await this.#folder.run(action, options.signal, async (session) => {
      const size = await session.size(path);
      if (size === undefined) await session.checkRoot();
      checkRemoteSize(`${this.description}: ${action}`, size, target.size);
      await receiveInto(target, options, (part) => session.download(path, part, options.pace));
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    return this.#folder.run(`reading ${name}`, signal, async (session) => {
      const content = await session.read(this.#folder.path(name), limit);
      if (content === undefined) await session.checkRoot();
      return content;
    });
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#folder.run(`listing ${folder}`, signal, async (session) => {
      const files = await session.list(this.#folder.path(folder));
      if (files === undefined) await session.checkRoot();
      return files ?? [];
    });
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    await this.#folder.run(`removing ${name}`, signal, (session) => session.remove(this.#folder.path(name)));
  }

  close(): Promise<void> {
    return this.#folder.close();
  }
}

/** The part has the source's size when this resolves. `parent`: the folder that holds it; undefined: the group's own. */
async function complete(session: SftpSession, upload: PartUpload, parent: string | undefined): Promise<void> {
  const { part, source } = upload;
  const held = await session.size(part);
  // Writes that were under way when it was cut may have left holes, of which the size says nothing.
  const start = held === undefined ? 0 : Math.max(0, resumeOffset(held, source.size) - WRITE_WINDOW);
  await uploadPart(upload, start, async (what, onBytes) => {
    try {
      return await session.upload(what, part, onBytes);
    } catch (error) {
      if (answerCode(error) !== NO_SUCH_FILE || parent === undefined) throw error;
      await session.checkRoot();
      await session.makeFolder(parent);
      return session.upload(what, part, onBytes);
    }
  });
  const size = await session.size(part);
  if (size === source.size) return;
  if (size !== undefined) await session.remove(part);
  throw arrivedWrong(part, size ?? 0, source.size);
}

/** Not every server has OpenSSH's rename, and the standard's own refuses to rename over a file. */
async function replace(session: SftpSession, part: string, path: string): Promise<void> {
  try {
    await session.posixRename(part, path);
  } catch (error) {
    // Throws `Exists` of a folder, which is what neither renames over.
    const held = session.closed ? undefined : await session.size(path);
    if (session.closed || (answerCode(error) !== undefined && held === undefined)) throw error;
    await session.remove(path);
    await session.rename(part, path);
  }
}
