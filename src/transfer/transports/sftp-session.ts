/**
 * One SFTP connection to a group's folder, lent to one user at a time. Every wait has a limit, and ending the session rejects
 * what waits.
 */
import { TransportError, type Pace, type RemoteFile } from '../transport.ts';
import { readInto, type LocalPart } from './local-part.ts';
import { isLegalPart, LIST_ENTRIES_MAX } from './names.ts';
import type { SpareBuffers, UploadSource } from './read-ahead.ts';
import { tooLarge, tooMany } from './refusals.ts';
import { answerCode } from './server-errors.ts';
import type { PooledSession } from './session-pool.ts';
import { SftpConnection, type Sftp } from './sftp-connection.ts';
import { END_OF_FILE, FAILURE, NO_SUCH_FILE } from './sftp-errors.ts';
import type { SftpServerOptions } from './sftp-options.ts';
import { uploadTo, WRITE_SIZE, WRITE_WINDOW } from './sftp-upload.ts';

type Answer<T> = (error: Error | null | undefined, value?: T) => void;
type Attributes = Parameters<Parameters<Sftp['lstat']>[1]>[1];
type Entries = Parameters<Parameters<Sftp['readdir']>[1]>[1];

/** Of statvfs@openssh.com, OpenSSH's PROTOCOL section 4.5. */
interface Disk {
  readonly f_bavail: number;
  readonly f_favail: number;
  readonly f_flag: number;
}
/** SSH_FXE_STATVFS_ST_RDONLY. */
const READ_ONLY = 1;

export class SftpSession implements PooledSession {
  answered = false;
  cancellable = true;
  readonly #options: SftpServerOptions;
  readonly #connection: SftpConnection;
  #sftp: Sftp | undefined;
  /** Why the session ended, once it has. */
  #ended: Error | undefined;
  readonly #waiting = new Set<(reason: Error) => void>();
  #watchdog: NodeJS.Timeout | undefined;
  readonly #spare: SpareBuffers = [];

  constructor(options: SftpServerOptions) {
    this.#options = options;
    this.#connection = new SftpConnection(options, (reason) => this.end(reason));
  }

  get closed(): boolean {
    return this.#ended !== undefined;
  }

  end(reason: Error): void {
    this.#ended ??= reason;
    clearTimeout(this.#watchdog);
    for (const reject of this.#waiting) reject(this.#ended);
    this.#waiting.clear();
    this.#connection.destroy();
  }

  /** Connects, makes sure of the server, logs in and finds the group's folder. */
  async open(): Promise<void> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    this.#waiting.add(reject);
    try {
      this.#sftp = await Promise.race([this.#connection.open(), ended]);
    } finally {
      this.#waiting.delete(reject);
    }
    await this.checkRoot();
    this.answered = false;
  }

  /** @throws TransportError `NotFound`, `Exists` */
  async checkRoot(): Promise<void> {
    const { host, path } = this.#options;
    const status = await this.#unlessAbsent<Attributes>((sftp, done) => sftp.stat(path, done));
    if (status === undefined) {
      throw new TransportError('NotFound', `the server ${host} has no folder ${path}, or does not show it`, {
        remedy: `make ${path} on the server, or mount the disk that holds it (it is not made for you, lest a disk that is not mounted is missed)`,
      });
    }
    if (!status.isDirectory()) {
      throw new TransportError('Exists', `${path} of the server ${host} is no folder`, {
        remedy: 'write the path of the group’s folder',
      });
    }
  }

  /** Undefined when nothing is there. @throws TransportError `Exists` when it is no ordinary file */
  async size(path: string): Promise<number | undefined> {
    const status = await this.#unlessAbsent<Attributes>((sftp, done) => sftp.lstat(path, done));
    if (status === undefined || status.isFile()) return status?.size;
    throw new TransportError('Exists', `${path} is no ordinary file at the server`, {
      remedy: `move ${path} away at the server`,
    });
  }

  /** No error when it is there. */
  async makeFolder(path: string): Promise<void> {
    try {
      await this.#ask((sftp, done) => sftp.mkdir(path, done));
    } catch (error) {
      const there = await this.#unlessAbsent<Attributes>((sftp, done) => sftp.stat(path, done));
      if (there?.isDirectory() !== true) throw await this.#reason(error);
    }
  }

  /** Over what is there. @throws an answer of the server, or an error without a code when it knows no such rename */
  async posixRename(from: string, to: string): Promise<void> {
    await this.#ask((sftp, done) => sftp.ext_openssh_rename(from, to, done));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#ask((sftp, done) => sftp.rename(from, to, done));
  }

  /** No error when it is not there. */
  async remove(path: string): Promise<void> {
    try {
      await this.#ask((sftp, done) => sftp.unlink(path, done));
    } catch (error) {
      if (answerCode(error) !== NO_SUCH_FILE) throw await this.#reason(error);
    }
  }

  /** The whole of a file, or undefined. @throws TransportError `TooLarge` past `limit` bytes */
  async read(path: string, limit: number): Promise<Buffer | undefined> {
    if ((await this.size(path)) === undefined) return undefined;
    const handle = await this.#unlessAbsent<Buffer>((sftp, done) => sftp.open(path, 'r', done));
    if (handle === undefined) return undefined;
    // One byte more than is allowed shows a file that is too long.
    const content = Buffer.alloc(limit + 1);
    const length = await this.#fill(handle, content, 0);
    await this.#close(handle);
    if (length > limit) throw tooLarge(`reading ${path}`, limit);
    return content.subarray(0, length);
  }

  /** The files in a folder, or undefined when there is no such folder. */
  async list(path: string): Promise<RemoteFile[] | undefined> {
    const handle = await this.#unlessAbsent<Buffer>((sftp, done) => sftp.opendir(path, done));
    if (handle === undefined) return undefined;
    const files: RemoteFile[] = [];
    for (;;) {
      const entries = await this.#ask<Entries>((sftp, done) => sftp.readdir(handle, done)).catch(orEnd);
      if (entries === undefined) break;
      for (const { filename, attrs } of entries) {
        if (!attrs.isFile() || !isLegalPart(filename)) continue;
        if (files.length === LIST_ENTRIES_MAX) throw tooMany(`listing ${path}`);
        files.push({ name: filename, size: attrs.size });
      }
    }
    await this.#close(handle);
    return files;
  }

  /** Writes what lies behind the source's start into a file; what it holds before that stays. Returns where it ended. */
  async upload(source: UploadSource, path: string, onBytes: (position: number) => void): Promise<number> {
    const flags = source.start === 0 ? 'w' : 'r+';
    try {
      const handle = await this.#ask<Buffer>((sftp, done) => sftp.open(path, flags, 0o644, done));
      const write = (bytes: Buffer, position: number): Promise<void> => {
        this.#connection.gather();
        return this.#ask((sftp, done) => sftp.write(handle, bytes, 0, bytes.length, position, done));
      };
      const truncate = (size: number): Promise<void> =>
        this.#ask((sftp, done) => sftp.fsetstat(handle, { size }, done));
      try {
        return await uploadTo(source, onBytes, { write, truncate }, this.#spare);
      } finally {
        await this.#close(handle).catch(() => undefined);
      }
    } catch (error) {
      throw await this.#reason(error, path);
    }
  }

  /** Writes what lies behind the part's position. */
  async download(path: string, part: LocalPart, pace: Pace | undefined): Promise<void> {
    const handle = await this.#ask<Buffer>((sftp, done) => sftp.open(path, 'r', done));
    const read = async (position: number, length: number): Promise<Buffer> => {
      const bytes = Buffer.allocUnsafeSlow(length);
      return bytes.subarray(0, await this.#fill(handle, bytes, position));
    };
    await readInto(part, { step: WRITE_SIZE, atOnce: WRITE_WINDOW / WRITE_SIZE, pace, read });
    await this.#close(handle);
  }

  /** Fills the buffer from `position`; returns the bytes read, fewer only at the end of the file. */
  async #fill(handle: Buffer, into: Buffer, position: number): Promise<number> {
    let length = 0;
    for (let read = -1; read !== 0 && length < into.length; length += read) {
      const at = length;
      read = await this.#untilEnd((sftp, done) => {
        sftp.read(handle, into, at, into.length - at, position + at, (error, bytes) => done(error, bytes));
      });
    }
    return length;
  }

  /** What a request is answered with. Any answer shows that the server lives. */
  #ask<T>(request: (sftp: Sftp, done: Answer<T>) => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#ended !== undefined || this.#sftp === undefined) {
      reject(this.#ended ?? new Error('not connected'));
      return promise;
    }
    this.#waiting.add(reject);
    if (this.#waiting.size === 1) this.#watch();
    const answered = (): void => {
      if (!this.#waiting.delete(reject)) return;
      this.answered = true;
      if (this.#waiting.size === 0) clearTimeout(this.#watchdog);
      else this.#watchdog?.refresh();
    };
    try {
      request(this.#sftp, (error, value) => {
        answered();
        if (error === undefined || error === null) resolve(value as T);
        else reject(error);
      });
    } catch (error) {
      // Of an extension that the server does not have, before it is asked.
      answered();
      reject(error);
    }
    return promise;
  }

  #watch(): void {
    const { timeout } = this.#options;
    this.#watchdog = setTimeout(
      () => this.end(new Error(`Timed out: no answer within ${timeout / 1000} s`)),
      timeout,
    );
  }

  async #unlessAbsent<T>(request: (sftp: Sftp, done: Answer<T>) => void): Promise<T | undefined> {
    try {
      return await this.#ask(request);
    } catch (error) {
      if (answerCode(error) === NO_SUCH_FILE) return undefined;
      throw error;
    }
  }

  async #untilEnd(request: (sftp: Sftp, done: Answer<number>) => void): Promise<number> {
    return (await this.#ask(request).catch(orEnd)) ?? 0;
  }

  async #close(handle: Buffer): Promise<void> {
    await this.#ask((sftp, done) => sftp.close(handle, done));
  }

  /** What is behind an answer of the server that says no more than that something failed. */
  async #reason(error: unknown, path?: string): Promise<unknown> {
    if (answerCode(error) !== FAILURE || this.closed) return error;
    // @throws `Exists` when a folder lies there
    if (path !== undefined) await this.size(path);
    const { path: root, host } = this.#options;
    const disk = await this.#ask<Disk>((sftp, done) => sftp.ext_openssh_statvfs(root, done)).catch(
      () => undefined,
    );
    if (disk !== undefined && (disk.f_flag & READ_ONLY) !== 0) {
      return new TransportError('Auth', `the disk of ${root} at ${host} is read-only`, {
        remedy: `mount the disk of ${root} read-write at the server`,
        cause: error,
      });
    }
    if (disk !== undefined ? disk.f_bavail > 0 && disk.f_favail > 0 : path === undefined) return error;
    return new TransportError('NoSpace', `${host} has no room left in ${root}, or a quota is reached`, {
      remedy: `make room in ${root} at the server, or raise the quota; sending goes on by itself`,
      cause: error,
    });
  }
}

/** `ssh2` reads to the end of a file or folder by an error. */
function orEnd(error: unknown): undefined {
  if (answerCode(error) !== END_OF_FILE) throw error;
}
