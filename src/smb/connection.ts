/**
 * One TCP connection to a server: requests under way, credits, signatures, encryption, interim answers, time limits.
 *
 * - An answer is believed only after its signature or encryption was checked, once there is a session (MS-SMB2 3.2.5.1.3).
 * - Anything that breaks the protocol ends the connection, and with it all that waits, with that error.
 * - Silence for half the time limit while something is under way brings an ECHO, silence for all of it the end.
 */
import { connect, type Socket } from 'node:net';
import { TRANSFORM_ID } from './crypto/encryption.ts';
import { creditCharge, Credits } from './credits.ts';
import { malformed, SmbError } from './errors.ts';
import { FRAME_MAX, PATIENCE, QUEUE_MAX } from './limits.ts';
import { COMMANDS, UNSOLICITED, type ResponseHeader } from './messages/header.ts';
import { encodeEmptyRequest } from './messages/session-setup.ts';
import {
  authenticate,
  cancelled,
  encodeCancel,
  encodeRequest,
  messagesIn,
  type Exchange,
  type Pending,
  type Protection,
  type Request,
} from './request.ts';
import { STATUS_PENDING } from './status.ts';
import { frameHeader, FrameReader } from './wire/frames.ts';

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Milliseconds without a sign of life while something is under way. */
  readonly timeout: number;
}

export class Connection {
  /** Set once the log-on is complete. */
  protection: Protection | undefined;
  /** Messages that came so far. */
  answers = 0;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(FRAME_MAX);
  readonly #credits = new Credits();
  readonly #queue: Pending[] = [];
  readonly #underWay = new Map<bigint, Pending>();
  readonly #opening: PromiseWithResolvers<void>;
  #ended: SmbError | undefined;
  /** An ECHO was sent and nothing has come since. */
  #probing = false;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#opening = Promise.withResolvers();
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.setTimeout(options.timeout);
    this.#socket.on('connect', () => {
      this.#socket.setTimeout(options.timeout / 2);
      this.#opening.resolve();
    });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('timeout', () => this.#onSilence());
    this.#socket.on('error', (error) => this.end(this.#lost(error)));
    this.#socket.on('close', () => this.end(this.#lost()));
  }

  /** @throws SmbError `CONNECTION_LOST`, `TIMEOUT`, or what `end` was called with */
  static async open(options: ConnectionOptions, signal?: AbortSignal): Promise<Connection> {
    const connection = new Connection(options);
    const abort = (): void => connection.end(new SmbError('CANCELLED', 'connecting was cancelled'));
    signal?.addEventListener('abort', abort);
    try {
      if (signal?.aborted === true) abort();
      await connection.#opening.promise;
      return connection;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Why it ended, or undefined while it lives. */
  get ended(): SmbError | undefined {
    return this.#ended;
  }

  /** Payload that one request may carry with the credits that the server grants. */
  get payloadMax(): number {
    return this.#credits.payloadMax;
  }

  /** Ends the connection; whatever waits is rejected with `reason`. */
  end(reason: SmbError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#socket.destroy();
    this.#opening.promise.catch(() => undefined);
    this.#opening.reject(reason);
    for (const pending of [...this.#underWay.values(), ...this.#queue]) pending.reject(reason);
    this.#underWay.clear();
    this.#queue.length = 0;
  }

  /**
   * Resolves with the final answer, whatever its status.
   *
   * @throws SmbError `CANCELLED` at once when the signal is aborted: the server is told, and what it answers is ignored
   */
  request(request: Request): Promise<Exchange> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const { signal } = request;
    if (signal?.aborted === true) return Promise.reject(cancelled(request));
    if (this.#queue.length >= QUEUE_MAX) {
      return Promise.reject(new SmbError('BUSY', `more than ${QUEUE_MAX} requests wait`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
    const pending: Pending = {
      request,
      charge: creditCharge(Math.max(request.data?.length ?? 0, request.expected ?? 0)),
      resolve,
      reject,
      protection: this.protection,
      messageId: 0n,
      asyncId: undefined,
      sentAt: 0,
      sent: [],
    };
    this.#queue.push(pending);
    this.#sendQueued();
    if (signal === undefined) return promise;
    const abort = (): void => this.#cancel(pending);
    signal.addEventListener('abort', abort);
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  #sendQueued(): void {
    for (let pending = this.#queue[0]; pending !== undefined; pending = this.#queue[0]) {
      const id = this.#credits.take(pending.charge);
      if (id === undefined) {
        if (this.#underWay.size === 0) this.end(malformed('the server grants no credits'));
        return;
      }
      this.#queue.shift();
      pending.messageId = id;
      this.#underWay.set(id, pending);
      this.#transmit(pending);
    }
  }

  #transmit(pending: Pending): void {
    const { request, charge, protection } = pending;
    const parts = encodeRequest(pending, this.#credits.wanted(charge));
    pending.sent = parts;
    pending.sentAt = performance.now();
    this.#write(parts, protection, request.encrypt === true);
  }

  #write(parts: [Buffer, ...Buffer[]], protection: Protection | undefined, encrypt: boolean): void {
    let wire: readonly Buffer[] = parts;
    if (encrypt) {
      if (protection?.encryption === undefined) throw new Error('there is no key to encrypt with');
      wire = protection.encryption.encrypt(parts);
    } else protection?.signer.sign(parts);
    const length = wire.reduce((sum, part) => sum + part.length, 0);
    this.#socket.cork();
    this.#socket.write(frameHeader(length));
    for (const part of wire) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** CANCEL has the id of what it cancels, takes no credit and gets no answer (MS-SMB2 3.2.4.24). */
  #cancel(pending: Pending): void {
    pending.reject(cancelled(pending.request));
    const place = this.#queue.indexOf(pending);
    if (place >= 0) this.#queue.splice(place, 1);
    else if (this.#underWay.has(pending.messageId)) {
      this.#write([encodeCancel(pending)], pending.protection, pending.request.encrypt === true);
    }
  }

  #receive(chunk: Buffer): void {
    this.#probing = false;
    try {
      for (const frame of this.#frames.push(chunk)) {
        this.answers += 1;
        if (this.#ended === undefined) this.#take(frame);
      }
      this.#sendQueued();
    } catch (error) {
      if (!(error instanceof SmbError)) throw error;
      this.end(error);
    }
  }

  #take(frame: Buffer): void {
    const isEncrypted = frame.length >= 4 && frame.readUInt32LE() === TRANSFORM_ID;
    for (const { header, message } of messagesIn(isEncrypted ? this.#decrypt(frame) : frame)) {
      this.#settle(header, message, isEncrypted);
    }
  }

  #decrypt(frame: Buffer): Buffer {
    const encryption = this.protection?.encryption;
    if (encryption === undefined) throw malformed('an encrypted message where no key was agreed on');
    return encryption.decrypt(frame);
  }

  #settle(header: ResponseHeader, message: Buffer, isEncrypted: boolean): void {
    if (header.messageId === UNSOLICITED) return;
    const pending = this.#underWay.get(header.messageId);
    if (pending === undefined) throw malformed('an answer to nothing that was asked');
    if (header.command !== COMMANDS[pending.request.command]) throw malformed('an answer to another command');
    const isInterim = header.status === STATUS_PENDING && header.asyncId !== undefined;
    // An interim answer need not be signed (MS-SMB2 3.2.5.1.3).
    if (!isInterim || isEncrypted) authenticate(pending, header, { message, isEncrypted });
    this.#credits.grant(header.credits);
    if (isInterim) {
      pending.asyncId = header.asyncId;
      return;
    }
    this.#underWay.delete(header.messageId);
    this.#credits.settle(pending.charge);
    pending.resolve({ header, message, sent: pending.sent });
  }

  #onSilence(): void {
    if (this.#socket.connecting || this.#probing) {
      const seconds = this.#options.timeout / 1000;
      this.end(new SmbError('TIMEOUT', `the server did not answer within ${seconds} s`));
      return;
    }
    if (this.#underWay.size === 0) return;
    this.#probing = true;
    const stuckSince = performance.now() - PATIENCE * this.#options.timeout;
    const stuck = [...this.#underWay.values()].some(({ sentAt }) => sentAt < stuckSince);
    if (stuck) this.end(new SmbError('TIMEOUT', 'the server lives, but a request stays unanswered'));
    else this.#probe();
  }

  /** Without a session there is nothing to ask: then silence lasts on, and ends it. */
  #probe(): void {
    // Node counts silence anew once something moves.
    this.#socket.setTimeout(this.#options.timeout / 2);
    if (this.protection === undefined) return;
    const encrypt = [...this.#underWay.values()].some(({ request }) => request.encrypt === true);
    this.request({ command: 'echo', body: encodeEmptyRequest(), encrypt }).catch(() => undefined);
  }

  #lost(cause?: NodeJS.ErrnoException): SmbError {
    const where = `${this.#options.host} port ${this.#options.port}`;
    if (cause?.code === 'ETIMEDOUT') return new SmbError('TIMEOUT', `${where} does not answer`, { cause });
    const why = cause === undefined ? 'the server closed the connection' : cause.message;
    return new SmbError('CONNECTION_LOST', `${where}: ${why}`, { cause });
  }
}
