/**
 * SMB through a client of our own (src/smb). All transfers go over one connection, each with several writes under way.
 *
 * - What a cut transfer left in the part may have holes where writes were under way, so its size alone says little: as much
 *   of its end as can have been under way is read back and compared, and sending goes on from the first byte that differs.
 *   What lies before is taken on the size's word, as it is from an FTP server (resume.ts).
 * - A file is flushed before it is renamed, so that it is durable under its name where the server's settings let it be.
 */
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PART_SUFFIX } from '../../journal/names.ts';
import {
  SmbClient,
  SmbError,
  UNACKNOWLEDGED_MAX,
  type SmbErrorCode,
  type SmbFile,
  type SmbTree,
} from '../../smb/index.ts';
import {
  TransportError,
  type LocalFile,
  type Pace,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from '../transport.ts';
import { fileError } from './file-errors.ts';
import { openLocalFile, READ_CHUNK, readLocal } from './local-file.ts';
import { checkRemoteSize, readInto, receiveInto } from './local-part.ts';
import { checkFolder, isLegalPart, LIST_ENTRIES_MAX, parseName } from './names.ts';
import { monotonicProgress, type ReportProgress } from './progress.ts';
import { absent, arrivedWrong, cancelled, tooLarge } from './refusals.ts';
import { resumeOffset } from './resume.ts';
import { SMB_MEANINGS } from './smb-errors.ts';
import type { SmbTransportOptions } from './smb-options.ts';

/** Milliseconds before each further attempt at a rename over a file that somebody has open at that moment. */
const RENAME_PAUSES = [10, 50, 200, 500] as const;

/** Reads of a file that are under way at once. */
const READS_UNDER_WAY = 4;

/** One transfer into a part. */
interface PartUpload {
  readonly source: LocalFile;
  readonly input: FileHandle;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
  readonly signal: AbortSignal;
}

export class SmbTransport implements Transport {
  readonly description: string;
  readonly #client: SmbClient;
  readonly #root: string;
  #closing = new AbortController();

  constructor(options: SmbTransportOptions) {
    const { host, port, user, share, path } = options;
    const parts = path.split('/').filter((part) => part !== '');
    const shownHost = host.includes(':') ? `[${host}]` : host;
    this.#root = parts.join('\\');
    this.#client = new SmbClient(options);
    this.description = `smb://${encodeURIComponent(user)}@${shownHost}:${port}/${[share, ...parts].join('/')}`;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const path = this.#path(name);
    const progress = monotonicProgress(source.size, options.onProgress);
    // From the rename on an abort would leave it open whether the file was published.
    const cancel = new AbortController();
    const abort = (): void => cancel.abort();
    const { signal } = cancel;
    options.signal.addEventListener('abort', abort);
    if (options.signal.aborted) abort();
    try {
      await this.#run(`sending ${name}`, signal, async (tree) => {
        const input = await openLocalFile(source);
        try {
          const part = await this.#openPart(tree, { path: path + PART_SUFFIX, folder, signal });
          try {
            await writePart(part, { source, input, progress, pace: options.pace, signal });
            signal.throwIfAborted();
            options.signal.removeEventListener('abort', abort);
            await replace(tree, part, path);
          } finally {
            await closed(part);
          }
        } finally {
          await input.close();
        }
      });
    } finally {
      options.signal.removeEventListener('abort', abort);
    }
  }

  async get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    parseName(name);
    const { pace, signal } = options;
    const action = `fetching ${name}`;
    const what = `${this.description}: ${action}`;
    await this.#run(action, signal, async (tree) => {
      const file = await this.#unlessAbsent(tree, undefined, () =>
        tree.open(this.#path(name), { mode: 'read', disposition: 'open' }, signal),
      );
      if (file === undefined) throw absent(what);
      try {
        checkRemoteSize(what, file.openedSize, target.size);
        const read = (position: number, length: number): Promise<Buffer> =>
          file.read(position, length, signal);
        await receiveInto(target, options, (part) =>
          readInto(part, { step: READ_CHUNK, atOnce: READS_UNDER_WAY, pace, read }),
        );
      } finally {
        await closed(file);
      }
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    parseName(name);
    return this.#run(`reading ${name}`, signal, (tree) =>
      this.#unlessAbsent(tree, undefined, async () => {
        const file = await tree.open(this.#path(name), { mode: 'read', disposition: 'open' }, signal);
        try {
          // One byte more than is allowed shows a file that is too long, however it grows meanwhile.
          const content = await file.read(0, limit + 1, signal);
          if (content.length > limit) throw tooLarge(`${this.description}: reading ${name}`, limit);
          return content;
        } finally {
          await closed(file);
        }
      }),
    );
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#run(`listing ${folder}`, signal, (tree) =>
      this.#unlessAbsent(tree, [], async () => {
        const files = await tree.list(this.#path(folder), { limit: LIST_ENTRIES_MAX, signal });
        return files
          .filter((file) => file.kind === 'file' && isLegalPart(file.name))
          .map(({ name, size }) => ({ name, size }));
      }),
    );
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    parseName(name);
    await this.#run(`removing ${name}`, signal, (tree) =>
      this.#unlessAbsent(tree, undefined, () => tree.remove(this.#path(name), signal)),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    await this.#client.close();
  }

  #path(name: string): string {
    const below = name.replaceAll('/', '\\');
    return this.#root === '' ? below : `${this.#root}\\${below}`;
  }

  async #run<T>(action: string, signal: AbortSignal, work: (tree: SmbTree) => Promise<T>): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    const refuseAborted = (): void => {
      if (either.aborted) throw cancelled(`${this.description}: ${action}`);
    };
    refuseAborted();
    try {
      return await this.#client.use(work, either);
    } catch (error) {
      refuseAborted();
      if (!(error instanceof SmbError)) throw fileError(error, `${this.description}: ${action}`, action);
      const { code, remedy } = SMB_MEANINGS[error.code];
      throw new TransportError(code, `${this.description}: ${action}: ${error.message}`, {
        remedy,
        cause: error,
      });
    }
  }

  /** The folder is made when it proves missing: it hardly ever is, and asking costs two round trips a file. */
  async #openPart(
    tree: SmbTree,
    part: { readonly path: string; readonly folder: string | undefined; readonly signal: AbortSignal },
  ): Promise<SmbFile> {
    const { path, folder, signal } = part;
    const open = (): Promise<SmbFile> =>
      tree.open(path, { mode: 'write', disposition: 'openOrCreate' }, signal);
    try {
      return await open();
    } catch (error) {
      if (folder === undefined || !has(error, 'NOT_FOUND')) throw error;
      await tree.makeFolder(this.#path(folder), signal);
      return open();
    }
  }

  /** `absent` where what `work` looks for is missing, but not where the group's folder itself is. */
  async #unlessAbsent<T>(tree: SmbTree, absent: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!has(error, 'NOT_FOUND')) throw error;
      if (await tree.hasFolder(this.#root)) return absent;
      throw new SmbError('NOT_FOUND', `there is no folder ${this.#root}`, { cause: error });
    }
  }
}

/** What is to last was flushed before, and what went wrong has an error of its own. */
async function closed(file: SmbFile): Promise<void> {
  await file.close().catch(() => undefined);
}

/** The part holds the whole source, as durably as the server has it, when this resolves. */
async function writePart(part: SmbFile, upload: PartUpload): Promise<void> {
  const { source, input, progress, pace, signal } = upload;
  const from = await heldBytes(part, upload);
  if (from === 0 && part.openedSize > 0) await part.setSize(0);
  progress(from);
  await part.upload({
    from,
    to: source.size,
    signal,
    fill: async (buffer, offset) => {
      const length = pace === undefined ? buffer.length : await pace(buffer.length);
      signal.throwIfAborted();
      await readLocal({ source, input }, buffer.subarray(0, length), offset);
      return length;
    },
    onAcknowledged: progress,
  });
  const [size] = await Promise.all([part.size(), part.flush()]);
  if (size === source.size) return;
  throw arrivedWrong(part.path, size, source.size);
}

/** Bytes at the start of the part that need not be sent again. */
async function heldBytes(part: SmbFile, { source, input, signal }: PartUpload): Promise<number> {
  const held = resumeOffset(part.openedSize, source.size);
  const start = Math.max(0, held - UNACKNOWLEDGED_MAX);
  const length = held - start;
  if (length === 0) return 0;
  const theirs = await part.read(start, length, signal);
  const ours = Buffer.allocUnsafeSlow(length);
  await readLocal({ source, input }, ours, start);
  const same = commonPrefix(ours, theirs);
  // A part of which not even this equals is another file's.
  return same === 0 ? 0 : start + same;
}

function commonPrefix(one: Buffer, other: Buffer): number {
  const length = Math.min(one.length, other.length);
  if (one.subarray(0, length).equals(other.subarray(0, length))) return length;
  let position = 0;
  while (one[position] === other[position]) position++;
  return position;
}

/** Servers refuse to rename over a file that somebody has open at that moment, a virus scanner say. It passes. */
async function replace(tree: SmbTree, part: SmbFile, path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await part.rename(path, true);
      return;
    } catch (error) {
      if (!has(error, 'ACCESS_DENIED') && !has(error, 'SHARING_VIOLATION') && !has(error, 'EXISTS'))
        throw error;
      if (await isFolder(tree, path)) throw new SmbError('EXISTS', `${path} is a folder`, { cause: error });
      const pause = RENAME_PAUSES[attempt];
      if (pause === undefined) throw error;
      await sleep(pause);
    }
  }
}

async function isFolder(tree: SmbTree, path: string): Promise<boolean> {
  try {
    return await tree.hasFolder(path);
  } catch (error) {
    if (has(error, 'NOT_A_FOLDER')) return false;
    throw error;
  }
}

function has(error: unknown, code: SmbErrorCode): boolean {
  return error instanceof SmbError && error.code === code;
}
