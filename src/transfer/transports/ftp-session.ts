/**
 * One FTP connection to a group's folder, doing one thing at a time. Every wait has a limit, and ending the session
 * rejects what waits. After a rejection other than a plain negative reply it is of no further use.
 */
import { Writable } from 'node:stream';
import { TLSSocket, type ConnectionOptions } from 'node:tls';
import { Client, FileType, type FileInfo } from 'basic-ftp';
import { TransportError, type Pace, type RemoteFile } from '../transport.ts';
import { DataReceiver, DataSender, keepControlConnection, written } from './ftp-data.ts';
import type { FtpServerOptions } from './ftp-options.ts';
import { checkCertificate, secured, tlsOptions } from './ftp-tls.ts';
import type { LocalPart } from './local-part.ts';
import { isLegalPart, LIST_ENTRIES_MAX } from './names.ts';
import { paced } from './paced.ts';
import { ReadAhead, type SpareBuffers, type UploadSource } from './read-ahead.ts';
import { tooLarge, tooMany } from './refusals.ts';
import { answerCode } from './server-errors.ts';
import type { PooledSession } from './session-pool.ts';
import { withTimeLimit } from './time-limit.ts';

/** Bytes of one listing, which is held in memory. */
const LISTING_BYTES_MAX = 32 * 1024 * 1024;
/** pure-ftpd: `226-Output truncated to 10000 matches`. */
const LISTING_CUT = /^(?:< )?2\d\d.*truncated/im;
/** Milliseconds that a reply may come behind the data connection's end. */
const LATE_REPLY_LIMIT = 3_000;

export class FtpSession implements PooledSession {
  answered = false;
  cancellable = true;
  readonly #options: FtpServerOptions;
  readonly #client: Client;
  /** Why the session ended, once it has. */
  #ended: Error | undefined;
  /** Rejects what waits for the server. */
  #reject: ((reason: Error) => void) | undefined;
  readonly #folders = new Set<string>();
  readonly #spare: SpareBuffers = [];
  /** Whether the server said of the last listing that it left names out. */
  #listing = { isCut: false };

  constructor(options: FtpServerOptions) {
    this.#options = options;
    this.#client = new Client(options.timeout, {
      allowSeparateTransferHost: false,
      maxListingBytes: LISTING_BYTES_MAX,
    });
    // basic-ftp tells the reply behind a listing to nobody else.
    this.#client.ftp.log = (line) => void (this.#listing.isCut ||= LISTING_CUT.test(line));
    keepControlConnection(this.#client);
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  end(reason: Error): void {
    this.#ended ??= reason;
    this.#reject?.(reason);
    this.#client.close();
  }

  /** Connects, makes sure of the server, logs in and finds the group's folder. */
  async open(): Promise<void> {
    const { host, port, tls, user, path } = this.#options;
    const secure = tlsOptions(this.#options);
    if (tls === 'implicit') await this.#answer(this.#client.connectImplicitTLS(host, port, secure));
    else await this.#answer(this.#client.connect(host, port));
    if (tls === 'explicit') await this.#upgrade(secure);
    // Before the password goes out.
    checkCertificate(this.#client.ftp.socket, this.#options);
    await this.#login(user, this.#options.password);
    await this.#answer(this.#client.useDefaultSettings());
    if (!(await this.enter(path))) throw this.#rootIsAbsent();
    this.answered = false;
  }

  /** Undefined when there is no such file. */
  async size(path: string): Promise<number | undefined> {
    try {
      const size = await this.#answer(this.#client.size(path));
      if (Number.isSafeInteger(size) && size >= 0) return size;
    } catch (error) {
      if (answerCode(error) === 550) return undefined;
      throw error;
    }
    throw new Error(`the size of ${path} that the server gives is no size`);
  }

  /** Makes a folder below the group's when it is missing. */
  async ensureFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    try {
      await this.#answer(this.#client.send(`MKD ${path}`));
    } catch (error) {
      // Most servers say 550 both when it exists and when it cannot be made.
      if (answerCode(error) === undefined || !(await this.enter(path))) throw error;
    }
    this.#folders.add(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#answer(this.#client.rename(from, to));
  }

  async remove(path: string): Promise<void> {
    await this.#answer(this.#client.remove(path));
  }

  /** The whole of a file. @throws TransportError `TooLarge` past `limit` bytes */
  async read(path: string, limit: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    const collect = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        length += chunk.length;
        chunks.push(chunk);
        done(length > limit ? tooLarge(`reading ${path}`, limit) : null);
      },
    });
    await this.#answer(this.#client.downloadTo(collect, path), Infinity);
    return Buffer.concat(chunks);
  }

  /** The files in a folder; empty when there is no such folder. */
  async list(path: string): Promise<RemoteFile[]> {
    if (!(await this.enter(path))) {
      if (!(await this.enter(this.#options.path))) throw this.#rootIsAbsent();
      return [];
    }
    const listing = { isCut: false };
    this.#listing = listing;
    // Without a path: servers take one for a pattern, or for an option when it starts with a dash.
    const entries = await this.#answer(this.#client.list(), Infinity);
    if (listing.isCut) throw listingCut(path);
    const files = listedFiles(entries);
    if (files.length > LIST_ENTRIES_MAX) throw tooMany(`listing ${path}`);
    return files;
  }

  /**
   * Writes what lies behind the source's start into a file, behind what it holds unless that start is 0. Returns where the
   * source ended. `onBytes` is told, twice a second, up to where bytes went out.
   */
  async upload(source: UploadSource, path: string, onBytes: (position: number) => void): Promise<number> {
    let sent = -1;
    let movedAt = performance.now();
    // basic-ftp waits without a limit where it takes its own source to be the slow one; our source is a local file.
    this.#client.trackProgress(({ bytes }) => {
      if (bytes !== sent) movedAt = performance.now();
      sent = bytes;
      onBytes(source.start + bytes);
      if (performance.now() - movedAt > 2 * this.#options.timeout) this.#expire();
    });
    const reader = new ReadAhead(source, this.#spare);
    const sender = new DataSender(() => this.#send(reader, source));
    const { stream } = sender;
    const upload =
      source.start === 0 ? this.#client.uploadFrom(stream, path) : this.#client.appendFrom(stream, path);
    try {
      await this.#answer(upload, Infinity);
      return sender.position;
    } catch (error) {
      throw sender.failure ?? (await this.#lateReply(error)) ?? error;
    } finally {
      this.#client.trackProgress();
      await reader.stop();
    }
  }

  /** Writes what lies behind the part's position. @throws TransportError `TooLarge` when more comes than it takes */
  async download(path: string, part: LocalPart, pace: Pace | undefined): Promise<void> {
    let isChecked = false;
    const receiver = new DataReceiver(async (bytes) => {
      // With the first bytes, while the connection is there for certain.
      if (!isChecked) checkCertificate(this.#client.ftp.dataSocket, this.#options);
      isChecked = true;
      for await (const piece of paced(bytes, pace)) {
        if (this.closed) return;
        await part.write(piece);
      }
    });
    try {
      await this.#answer(this.#client.downloadTo(receiver.stream, path, part.position), Infinity);
    } catch (error) {
      throw receiver.failure ?? (await this.#lateReply(error)) ?? error;
    } finally {
      await receiver.settled();
    }
  }

  /** Never goes on without TLS when the server refuses it. */
  async #upgrade(secure: ConnectionOptions): Promise<void> {
    try {
      await this.#answer(this.#client.useTLS(secure));
    } catch (error) {
      if (answerCode(error) === undefined) throw error;
      throw new TransportError('Protocol', `the server ${this.#options.host} offers no TLS on this port`, {
        remedy: 'turn TLS on at the server, or set tls to what it offers (implicit, none)',
        cause: error,
      });
    }
  }

  async #login(user: string, password: string): Promise<void> {
    try {
      await this.#answer(this.#client.login(user, password));
    } catch (error) {
      const code = answerCode(error);
      if (code === undefined || !(error instanceof Error)) throw error;
      // A reply may repeat what it was sent. Without a cause: that would keep the original's text.
      const text = password === '' ? error.message : error.message.replaceAll(password, '***');
      throw Object.assign(new Error(text), { code });
    }
  }

  /** Goes into a folder. False when the server says that there is none. */
  async enter(path: string): Promise<boolean> {
    try {
      await this.#answer(this.#client.send(`CWD ${path}`));
      return true;
    } catch (error) {
      if (answerCode(error) === 550) return false;
      throw error;
    }
  }

  /**
   * What `work` resolves to, unless the session ends or, where basic-ftp itself keeps no time (a TLS handshake), the
   * limit passes first.
   */
  async #answer<T>(work: Promise<T>, limit = this.#options.timeout): Promise<T> {
    // Not a race with one promise that lives as long as the session: that would keep every wait's remains.
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#reject = reject;
    work.then(resolve, reject);
    if (this.#ended !== undefined) reject(this.#ended);
    try {
      const limited = limit === Infinity ? promise : withTimeLimit(promise, limit, () => this.#expire());
      const result = await limited;
      this.answered = true;
      return result;
    } catch (error) {
      if (answerCode(error) !== undefined && answerCode(error) !== 421) this.answered = true;
      throw error;
    }
  }

  #expire(): Error {
    const error = new Error(`Timeout: no answer within ${this.#options.timeout / 1000} s`);
    this.end(error);
    return error;
  }

  #rootIsAbsent(): TransportError {
    const { host, path } = this.#options;
    return new TransportError('NotFound', `the server ${host} has no folder ${path}, or does not show it`, {
      remedy: `make ${path} on the server, or mount the disk that holds it (it is not made for you, lest a disk that is not mounted is missed)`,
    });
  }

  /** The reply that came behind a data connection's failure, when it tells more than that did. */
  async #lateReply(failure: unknown): Promise<unknown> {
    if (answerCode(failure) !== undefined || this.closed) return undefined;
    const reply = this.#client.ftp.handle(undefined, (response, task) => task.resolve(response));
    try {
      const response: unknown = await withTimeLimit(reply, LATE_REPLY_LIMIT, () => new Error('none'));
      return answerCode(response) === undefined ? undefined : response;
    } catch {
      return undefined;
    }
  }

  /**
   * Writes the source to the data connection; returns where it ended. Not before its TLS handshake is over: with a resumed
   * session basic-ftp begins before, and an empty file would then end the connection in the middle of it.
   */
  async #send(reader: ReadAhead, { start, pace }: UploadSource): Promise<number> {
    const socket = this.#client.ftp.dataSocket;
    if (socket === undefined) throw new Error('the data connection was closed');
    if (socket instanceof TLSSocket) {
      try {
        await withTimeLimit(secured(socket), this.#options.timeout, () => this.#expire());
        checkCertificate(socket, this.#options);
      } catch (error) {
        if (error instanceof TransportError) this.end(error);
        throw error;
      }
    }
    let position = start;
    for (let chunk = await reader.next(); chunk?.position === position; chunk = await reader.next()) {
      for await (const piece of paced(chunk.bytes, pace)) {
        await written(socket, piece);
        position += piece.length;
      }
      chunk.release();
    }
    return position;
  }
}

/** Of what a server lists, the files that may be ours. A size that is none is that of a file of which nothing is known. */
export function listedFiles(entries: readonly Pick<FileInfo, 'type' | 'name' | 'size'>[]): RemoteFile[] {
  return entries.flatMap(({ type, name, size }) => {
    const isOurs = type === FileType.File && isLegalPart(name) && Number.isSafeInteger(size) && size >= 0;
    return isOurs ? [{ name, size }] : [];
  });
}

function listingCut(path: string): TransportError {
  return new TransportError('TooLarge', `listing ${path}: the server leaves names out of it`, {
    remedy:
      'raise what the server lists at most (pure-ftpd: LimitRecursion, -L), or see what fills the folder',
  });
}
