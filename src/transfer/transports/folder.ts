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
  type Pace,
  type RemoteFile,
  type TransferOptions,
  type Transport,
} from '../transport.ts';
import { BoundedCalls } from './bounded-calls.ts';
import { fileError } from './file-errors.ts';
import { filePlace } from './folder-path.ts';
import { changed, openLocalFile, READ_CHUNK } from './local-file.ts';
import { checkFolder, isLegalPart, LIST_ENTRIES_MAX, parseName } from './names.ts';
import { paced } from './paced.ts';
import { monotonicProgress, type ReportProgress } from './progress.ts';
import { cancelled, tooLarge, tooMany } from './refusals.ts';

export interface FolderTransportOptions {
  /** The group's folder as this side sees it: local, a mounted share, or a UNC path. */
  readonly path: string;
}

/** Milliseconds that one call to the file system may take: a sync of a large file on a slow share is the longest. */
const CALL_LIMIT = 60_000;
/** Milliseconds before each further attempt at a rename. */
const RENAME_PAUSES = [10, 20, 50, 100, 200, 400] as const;
/** A server that is not trusted may put a link where a file of ours goes (I12). Windows has no such flag. */
const NO_FOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0;

/** One transfer into a part. */
interface PartCopy {
  readonly source: LocalFile;
  readonly input: FileHandle;
  readonly path: string;
  readonly progress: ReportProgress;
  readonly pace: Pace | undefined;
  /** @throws TransportError `Cancelled` once the transfer is aborted */
  readonly check: () => void;
}

export class FolderTransport implements Transport {
  readonly description: string;
  readonly #root: string;
  readonly #calls: BoundedCalls;
  #closing = new AbortController();

  constructor(options: FolderTransportOptions) {
    this.#root = options.path;
    this.#calls = new BoundedCalls(options.path, CALL_LIMIT);
    this.description = options.path;
  }

  async put(source: LocalFile, name: string, options: TransferOptions): Promise<void> {
    const { folder } = parseName(name);
    const { directory, path: target } = filePlace(this.#root, name);
    const progress = monotonicProgress(source.size, options.onProgress);
    await this.#run(`sending ${name} to`, options.signal, async (check) => {
      if (folder !== undefined) await this.#ensureFolder(folder);
      const path = target + PART_SUFFIX;
      const input = await openLocalFile(source);
      try {
        await this.#writePart({ source, input, path, progress, pace: options.pace, check });
      } finally {
        await this.#calls.close(input);
      }
      check();
      await this.#replace(path, target);
      await this.#syncDirectory(directory);
    });
  }

  async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    const { path } = filePlace(this.#root, name);
    return this.#run(`reading ${name} from`, signal, async () => {
      if (!(await this.#isOrdinaryFile(path))) return undefined;
      const input = await this.#calls.unlessAbsent(() => open(path, constants.O_RDONLY | NO_FOLLOW));
      if (input === undefined) return undefined;
      try {
        // One byte more than is allowed shows a file that is too long, however it grows meanwhile.
        const content = Buffer.alloc(limit + 1);
        const length = await this.#fill(input, content, 0);
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
    await this.#run(`removing ${name} from`, signal, () => this.#calls.run(() => rm(path, { force: true })));
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
      await this.#checkRoot();
      check();
      return await work(check);
    } catch (error) {
      throw fileError(error, what, this.#root);
    }
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

  /** The part holds the whole source, durably, when this resolves. */
  async #writePart(copy: PartCopy): Promise<void> {
    await this.#isOrdinaryFile(copy.path);
    const flags = constants.O_RDWR | constants.O_CREAT | NO_FOLLOW;
    const part = await this.#calls.run(() => open(copy.path, flags, 0o644));
    try {
      const held = await this.#verifiedPrefix(part, copy);
      await this.#calls.run(() => part.truncate(held));
      await this.#copyFrom(held, part, copy);
      await this.#calls.run(() => part.sync());
    } finally {
      await this.#calls.close(part);
    }
  }

  /** Bytes at the start of the part that equal the source's, a chunk at a time; of a part longer than the source none. */
  async #verifiedPrefix(part: FileHandle, copy: PartCopy): Promise<number> {
    const { size } = await this.#calls.run(() => part.stat());
    if (size > copy.source.size) return 0;
    const ours = Buffer.allocUnsafe(READ_CHUNK);
    const theirs = Buffer.allocUnsafe(READ_CHUNK);
    let position = 0;
    while (position < size) {
      copy.check();
      const length = await this.#fill(part, theirs, position);
      await this.#fill(copy.input, ours, position);
      if (length === 0 || ours.compare(theirs, 0, length, 0, length) !== 0) break;
      position += length;
      copy.progress(position);
    }
    return position;
  }

  async #copyFrom(start: number, part: FileHandle, copy: PartCopy): Promise<void> {
    const chunk = Buffer.allocUnsafe(READ_CHUNK);
    copy.progress(start);
    let position = start;
    while (position < copy.source.size) {
      copy.check();
      const length = await this.#fill(copy.input, chunk, position);
      if (length === 0) throw changed(copy.source, position);
      for await (const piece of paced(chunk.subarray(0, length), copy.pace)) {
        copy.check();
        await this.#write(part, piece, position);
        position += piece.length;
        copy.progress(position);
      }
    }
    const { size } = await this.#calls.run(() => part.stat());
    if (size !== copy.source.size) throw changed({ path: copy.path, size: copy.source.size }, size);
  }

  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  async #fill(file: FileHandle, into: Buffer, position: number): Promise<number> {
    let length = 0;
    while (length < into.length) {
      const rest = into.length - length;
      const { bytesRead } = await this.#calls.run(() => file.read(into, length, rest, position + length));
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return length;
  }

  async #write(file: FileHandle, from: Buffer, position: number): Promise<void> {
    let length = 0;
    while (length < from.length) {
      const rest = from.length - length;
      const { bytesWritten } = await this.#calls.run(() => file.write(from, length, rest, position + length));
      length += bytesWritten;
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

  /** False when nothing is there. A pipe would hold up whoever opens it, so what is no ordinary file is refused. */
  async #isOrdinaryFile(path: string): Promise<boolean> {
    const status = await this.#calls.unlessAbsent(() => lstat(path));
    if (status === undefined) return false;
    if (status.isFile()) return true;
    throw new TransportError('Exists', `${path} is no ordinary file`, { remedy: `move ${path} away` });
  }
}
