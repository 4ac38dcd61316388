/**
 * A folder as a file server: local, a mounted share, or a UNC path. What the operating system's own client speaks to the
 * server is none of our business, except that the server may be away, and then a call does not return.
 *
 * - A file appears under its final name only after its content is synced; the rename is synced after it (I6).
 * - What a cut transfer left in the part is read back and compared, so a resumed file is as good as one sent whole.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, opendir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PART_SUFFIX } from '../../journal/names.ts';
import { errorCode } from '../../platform/errors.ts';
import {
  TransportError,
  type LocalFile,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from '../transport.ts';
import { BoundedCalls } from './bounded-calls.ts';
import { fileError } from './file-errors.ts';
import {
  fill,
  isOrdinaryFile,
  NO_FOLLOW,
  openPart,
  writePart,
  type OpenPart,
  type PartCopy,
} from './folder-part.ts';
import { filePlace } from './folder-path.ts';
import { openLocalFile, READ_CHUNK } from './local-file.ts';
import { checkRemoteSize, readInto, receiveInto } from './local-part.ts';
import { checkFolder, isLegalPart, LIST_ENTRIES_MAX, parseName } from './names.ts';
import { monotonicProgress } from './progress.ts';
import type { SpareBuffers } from './read-ahead.ts';
import { absent, cancelled, tooLarge, tooMany } from './refusals.ts';

export interface FolderTransportOptions {
  /** The group's folder as this side sees it: local, a mounted share, or a UNC path. */
  readonly path: string;
}

/** Milliseconds that one call to the file system may take: a sync of a large file on a slow share is the longest. */
const CALL_LIMIT = 60_000;
/** Milliseconds before each further attempt at a rename. */
const RENAME_PAUSES = [10, 20, 50, 100, 200, 400] as const;
export class FolderTransport implements Transport {
  readonly description: string;
  readonly #root: string;
  readonly #calls: BoundedCalls;
  readonly #spare: SpareBuffers = [];
  /** Transfers under way. */
  #sending = 0;
  #closing = new AbortController();

  constructor(options: FolderTransportOptions) {
    this.#root = options.path;
    this.#calls = new BoundedCalls(options.path, CALL_LIMIT);
    this.description = options.path;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const { directory, path: target } = filePlace(this.#root, name);
    await this.#run(`sending ${name} to`, options.signal, async (check) => {
      const part = { path: target + PART_SUFFIX, folder };
      this.#sending += 1;
      try {
        await this.#send(source, part, { ...options, check });
      } finally {
        this.#sending -= 1;
        if (this.#sending === 0) this.#spare.length = 0;
      }
      check();
      await this.#replace(part.path, target);
      await this.#syncDirectory(directory);
    });
  }

  async get(name: string, target: LocalFile, options: TransferOptions): Promise<void> {
    const { path } = filePlace(this.#root, name);
    await this.#run(`fetching ${name} from`, options.signal, async (check) => {
      await this.#checkRoot();
      const input = await this.#openFile(path);
      if (input === undefined) throw absent(`fetching ${path}`);
      try {
        const { size } = await this.#calls.run(() => input.stat());
        checkRemoteSize(`fetching ${path}`, size, target.size);
        const buffer = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK, Math.max(1, size)));
        const read = async (position: number, length: number): Promise<Buffer> => {
          check();
          const chunk = buffer.subarray(0, length);
          return chunk.subarray(0, await fill(this.#calls, input, chunk, position));
        };
        const { pace } = options;
        await receiveInto(target, options, (part) =>
          // One at a time: on a share whose server is away each would hold one of the process's few threads for files.
          readInto(part, { step: buffer.length, atOnce: 1, pace, read }),
        );
      } finally {
        await this.#calls.close(input);
      }
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    const { path } = filePlace(this.#root, name);
    return this.#run(`reading ${name} from`, signal, async () => {
      await this.#checkRoot();
      const input = await this.#openFile(path);
      if (input === undefined) return undefined;
      try {
        // One byte more than is allowed shows a file that is too long, however it grows meanwhile.
        const content = Buffer.alloc(limit + 1);
        const length = await fill(this.#calls, input, content, 0);
        if (length > limit) throw tooLarge(`reading ${path}`, limit);
        return content.subarray(0, length);
      } finally {
        await this.#calls.close(input);
      }
    });
  }

  async list(folder: string, signal: AbortSignal): Promise<RemoteFile[]> {
    checkFolder(folder);
    return this.#run(`listing ${folder} of`, signal, async (check) => {
      await this.#checkRoot();
      check();
      const directory = join(this.#root, folder);
      const entries = await this.#calls.unlessAbsent(() => opendir(directory));
      if (entries === undefined) return [];
      const files: RemoteFile[] = [];
      try {
        for (;;) {
          const entry = await this.#calls.run(() => entries.read());
          check();
          if (entry === null) return files;
          if (!entry.isFile() || !isLegalPart(entry.name)) continue;
          if (files.length === LIST_ENTRIES_MAX) throw tooMany(`listing ${directory}`);
          // A file may be taken away while this looks.
          const status = await this.#calls.unlessAbsent(() => lstat(join(directory, entry.name)));
          if (status !== undefined) files.push({ name: entry.name, size: status.size });
        }
      } finally {
        await this.#calls.close(entries);
      }
    });
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    const { path } = filePlace(this.#root, name);
    await this.#run(`removing ${name} from`, signal, async (check) => {
      await this.#checkRoot();
      check();
      await this.#calls.run(() => rm(path, { force: true }));
    });
  }

  close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    return Promise.resolve();
  }

  async #run<T>(action: string, signal: AbortSignal, work: (check: () => void) => Promise<T>): Promise<T> {
    const what = `${action} ${this.#root}`;
    const closing = this.#closing.signal;
    const check = (): void => {
      if (signal.aborted || closing.aborted) throw cancelled(what);
    };
    try {
      check();
      return await work(check);
    } catch (error) {
      throw fileError(error, what, this.#root);
    }
  }

  /** For reading; undefined when it is not there. @throws TransportError `Exists` when it is no ordinary file */
  async #openFile(path: string): Promise<FileHandle | undefined> {
    if (!(await isOrdinaryFile(this.#calls, path))) return undefined;
    return this.#calls.unlessAbsent(() => open(path, constants.O_RDONLY | NO_FOLLOW));
  }

  /** The root is never made: where a share is not mounted, its files would fill the local disk. */
  async #checkRoot(): Promise<void> {
    const status = await this.#calls.unlessAbsent(() => stat(this.#root));
    if (status?.isDirectory() === true) return;
    const absent = status === undefined;
    throw new TransportError(
      absent ? 'NotFound' : 'Exists',
      `${this.#root} is ${absent ? 'not there' : 'no folder'}`,
      {
        remedy: `mount the share of ${this.#root}, or make that folder (it is not made for you, lest a share that is not mounted fills the local disk)`,
      },
    );
  }

  async #ensureFolder(folder: string): Promise<void> {
    try {
      await this.#calls.run(() => mkdir(join(this.#root, folder)));
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return;
      throw error;
    }
    await this.#syncDirectory(this.#root);
  }

  /** The part holds the source when this resolves. */
  async #send(
    source: LocalFile,
    { path, folder }: { readonly path: string; readonly folder: string | undefined },
    { check, pace, onProgress }: TransferOptions & Pick<PartCopy, 'check'>,
  ): Promise<void> {
    const progress = monotonicProgress(source.size, onProgress);
    const input = await openLocalFile(source);
    try {
      const part = await this.#openPart(path, folder);
      try {
        const copy = { source, input, path, progress, pace, check, spare: this.#spare };
        await writePart(this.#calls, part, copy);
      } finally {
        await this.#calls.close(part.file);
      }
    } finally {
      await this.#calls.close(input);
    }
  }

  /** Of a part for whose folder nobody has looked yet. */
  async #openPart(path: string, folder: string | undefined): Promise<OpenPart> {
    try {
      return await openPart(this.#calls, path);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(errorCode(error))) throw error;
      await this.#checkRoot();
      if (folder !== undefined) await this.#ensureFolder(folder);
      return openPart(this.#calls, path);
    }
  }

  /**
   * Windows, and shares served by it, refuse a rename over a file that a reader or a virus scanner has open at that
   * moment, with EPERM, EBUSY or EACCES. It passes in milliseconds, so a few more attempts are made before giving up.
   */
  async #replace(part: string, target: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#calls.run(() => rename(part, target));
        return;
      } catch (error) {
        const pause = RENAME_PAUSES[attempt];
        if (pause === undefined || !['EPERM', 'EBUSY', 'EACCES'].includes(errorCode(error))) throw error;
        await sleep(pause);
      }
    }
  }

  /** New names reach the medium (I6). Windows journals them by itself, and some shares know no sync of a folder. */
  async #syncDirectory(directory: string): Promise<void> {
    if (process.platform === 'win32') return;
    const handle = await this.#calls.run(() => open(directory, 'r'));
    try {
      await this.#calls.run(() => handle.sync());
    } catch (error) {
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EBADF'].includes(errorCode(error))) throw error;
    } finally {
      await this.#calls.close(handle);
    }
  }
}
