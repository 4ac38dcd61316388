/**
 * "Transmission": requests in, replies out. A state machine without a socket.
 *
 * What was received lies in one buffer of the session. A WRITE stays where it arrived: the 28 bytes of its NBD request
 * become the head-room that the journal writes its record header into, and WRITEs that arrived together become one run. A
 * WRITE that is too long to wait for is handed on in pieces as they arrive; the head-room of a later piece is the end of
 * the piece before it, which is in the journal already.
 */
import { HostError, WRITE_HEADROOM, WRITE_LENGTH_MAX, type HostVolume } from '../front-end.ts';
import type { Agreement } from './handshake.ts';
import {
  BASE_ALLOCATION_ID,
  BLOCK_SIZE,
  BlockState,
  Chunk,
  chunkHeader,
  Command,
  CommandFlag,
  DISCARD_MAX,
  errnoOf,
  errorChunk,
  flagsFor,
  REQUEST_MAGIC,
  REQUEST_SIZE,
  simpleReply,
} from './protocol.ts';

/** Up to this length a WRITE is waited for and joins a run; a longer one goes on in pieces. Bytes. */
const WHOLE_WRITE_MAX = 64 * 1024;
const RUN_COUNT_MAX = 1024;
const SECTOR = 512;
/** Data of one chunk of a structured READ reply. */
const READ_CHUNK = 256 * 1024;
const STATUS_EXTENTS_MAX = 1024;
/** Requests that wait for a sync. */
const FLUSHING_MAX = 1024;

export type TakeResult =
  | { readonly kind: 'more'; readonly used: number }
  /** Nothing further is taken until `until` settles. */
  | { readonly kind: 'blocked'; readonly used: number; readonly until: Promise<void> }
  | { readonly kind: 'ended'; readonly reason: string | undefined };

interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
}

/** A WRITE whose payload is still coming. */
interface Streaming {
  readonly request: Request;
  offset: number;
  left: number;
  error: HostError | undefined;
}

/** A structured READ whose reply goes out in chunks, as fast as its host takes them. */
interface Reading {
  readonly request: Request;
  done: number;
}

/** What a transmission needs of its connection. */
export interface Outlet {
  readonly send: (bytes: Buffer) => void;
  /** Undefined while the host takes its replies; otherwise settles when it has taken those before. */
  readonly drained: () => Promise<void> | undefined;
}

export class Transmission {
  readonly #volume: HostVolume;
  readonly #agreement: Agreement;
  readonly #send: (bytes: Buffer) => void;
  readonly #drained: () => Promise<void> | undefined;
  readonly #offsets = new Float64Array(RUN_COUNT_MAX);
  readonly #lengths = new Uint32Array(RUN_COUNT_MAX);
  #run: Request[] = [];
  #runStart = 0;
  #streaming: Streaming | undefined;
  #reading: Reading | undefined;
  #flushing = 0;
  #flushed: PromiseWithResolvers<undefined> | undefined;

  constructor(agreement: Agreement, outlet: Outlet) {
    this.#agreement = agreement;
    this.#volume = agreement.volume;
    this.#send = outlet.send;
    this.#drained = outlet.drained;
  }

  /** Replies that wait for a sync. */
  get pending(): number {
    return this.#flushing;
  }

  /** In the middle of a WRITE's payload. */
  get midway(): boolean {
    return this.#streaming !== undefined;
  }

  /** Settles when every request that waits for a sync has been answered. */
  async settled(): Promise<void> {
    while (this.#flushing > 0) await this.#nextFlushed();
  }

  /**
   * Takes what is complete of `buffer` from `start` to `end`. There are always {@link WRITE_HEADROOM} bytes before
   * `start` that may be overwritten.
   */
  take(buffer: Buffer, start: number, end: number): TakeResult {
    let at = start;
    for (;;) {
      const busy = this.#busy();
      if (busy !== undefined) {
        this.#finishRun(buffer);
        return { kind: 'blocked', used: at - start, until: busy };
      }
      if (this.#reading !== undefined) {
        this.#readOn(this.#reading);
        continue;
      }
      if (this.#streaming !== undefined) {
        const until = this.#streaming.error === undefined ? this.#volume.room() : undefined;
        if (until !== undefined) return { kind: 'blocked', used: at - start, until };
        const used = this.#stream(this.#streaming, buffer, at, end);
        at += used;
        if (used === 0 && this.midway) return { kind: 'more', used: at - start };
        continue;
      }
      if (end - at < REQUEST_SIZE) break;
      const request = decodeRequest(buffer, at);
      if (request === undefined) return this.#end('a request without its magic number', buffer);
      if (request.type === Command.write) {
        if (request.length > DISCARD_MAX) return this.#end(`a WRITE of ${request.length} bytes`, buffer);
        const whole =
          request.length <= WHOLE_WRITE_MAX && request.length > 0 && this.#misfit(request) === undefined;
        if (whole && end - at < REQUEST_SIZE + request.length) break;
        const until = this.#run.length === 0 ? this.#volume.room() : undefined;
        if (until !== undefined) return { kind: 'blocked', used: at - start, until };
        at += whole ? this.#join(request, buffer, at) : this.#begin(request, buffer);
        continue;
      }
      this.#finishRun(buffer);
      if (request.type === Command.disconnect) return { kind: 'ended', reason: undefined };
      if (request.type === Command.trim || request.type === Command.writeZeroes) {
        const until = this.#volume.room();
        if (until !== undefined) return { kind: 'blocked', used: at - start, until };
      }
      at += REQUEST_SIZE;
      this.#answer(request);
    }
    this.#finishRun(buffer);
    return { kind: 'more', used: at - start };
  }

  /** What must settle before anything more is done for this host: it leaves replies unread, or floods us with flushes. */
  #busy(): Promise<void> | undefined {
    return this.#flushing >= FLUSHING_MAX ? this.#nextFlushed() : this.#drained();
  }

  #end(reason: string, buffer: Buffer): TakeResult {
    this.#finishRun(buffer);
    return { kind: 'ended', reason };
  }

  #join(request: Request, buffer: Buffer, at: number): number {
    if (this.#run.length === 0) this.#runStart = at;
    this.#offsets[this.#run.length] = request.offset;
    this.#lengths[this.#run.length] = request.length;
    this.#run.push(request);
    if (this.#run.length === RUN_COUNT_MAX) this.#finishRun(buffer);
    return REQUEST_SIZE + request.length;
  }

  #finishRun(buffer: Buffer): void {
    const requests = this.#run;
    if (requests.length === 0) return;
    this.#run = [];
    const error = this.#write(buffer, this.#runStart, requests.length);
    if (error !== undefined) {
      for (const request of requests) this.#fail(request, error);
      return;
    }
    const plain = requests.filter((request) => (request.flags & CommandFlag.fua) === 0);
    if (plain.length > 0) this.#send(Buffer.concat(plain.map((request) => this.#successBytes(request))));
    const durable = requests.filter((request) => (request.flags & CommandFlag.fua) !== 0);
    if (durable.length > 0) this.#flush(durable);
  }

  #begin(request: Request, buffer: Buffer): number {
    this.#finishRun(buffer);
    const misfit = this.#misfit(request);
    this.#streaming = { request, offset: request.offset, left: request.length, error: misfit };
    return REQUEST_SIZE;
  }

  /** A piece of a long WRITE, or of one that is refused and whose payload is thrown away. Returns the bytes taken. */
  #stream(streaming: Streaming, buffer: Buffer, at: number, end: number): number {
    const there = Math.min(streaming.left, end - at, WRITE_LENGTH_MAX);
    // A refused WRITE may have any length; all others consist of sectors.
    const piece =
      streaming.error !== undefined || there === streaming.left ? there : there - (there % SECTOR);
    if (piece === 0 && streaming.left > 0) return 0;
    if (streaming.error === undefined) {
      this.#offsets[0] = streaming.offset;
      this.#lengths[0] = piece;
      streaming.error = this.#write(buffer, at - WRITE_HEADROOM, 1);
    }
    streaming.offset += piece;
    streaming.left -= piece;
    if (streaming.left === 0) {
      this.#streaming = undefined;
      if (streaming.error !== undefined) this.#fail(streaming.request, streaming.error);
      else if ((streaming.request.flags & CommandFlag.fua) !== 0) this.#flush([streaming.request]);
      else this.#succeed(streaming.request);
    }
    return piece;
  }

  #write(buffer: Buffer, start: number, count: number): HostError | undefined {
    try {
      this.#volume.write({ buffer, start, count, offsets: this.#offsets, lengths: this.#lengths });
      return undefined;
    } catch (error) {
      return asHostError(error);
    }
  }

  #answer(request: Request): void {
    try {
      const misfit = request.type === Command.flush ? undefined : this.#misfit(request);
      if (misfit !== undefined) throw misfit;
      switch (request.type) {
        case Command.read:
          this.#read(request);
          return;
        case Command.flush:
          this.#flush([request]);
          return;
        case Command.trim:
        case Command.writeZeroes:
          this.#zero(request);
          return;
        case Command.blockStatus:
          this.#blockStatus(request);
          return;
        default:
          throw new HostError('EINVAL', `command ${request.type} is not supported`);
      }
    } catch (error) {
      this.#fail(request, asHostError(error));
    }
  }

  #misfit(request: Request): HostError | undefined {
    const { type, flags, offset, length } = request;
    if ((flags & ~flagsFor(type)) !== 0)
      return new HostError('EINVAL', 'flags that do not go with the command');
    if (length === 0 || offset % SECTOR !== 0 || length % SECTOR !== 0) {
      return new HostError('EINVAL', 'not whole sectors');
    }
    if (offset + length > this.#volume.size) {
      const writes = type === Command.write || type === Command.writeZeroes;
      return new HostError(writes ? 'ENOSPC' : 'EINVAL', 'past the end of the export');
    }
    if ((type === Command.read || type === Command.write) && length > BLOCK_SIZE.max) {
      return new HostError('EINVAL', 'longer than the largest block');
    }
    return undefined;
  }

  /** A simple reply cannot take an error back once it has begun: all is read before. */
  #read(request: Request): void {
    const { cookie, offset, length } = request;
    if (this.#agreement.structured) this.#reading = { request, done: 0 };
    else {
      const reply = Buffer.allocUnsafe(16 + length);
      this.#volume.read(offset, reply.subarray(16));
      simpleReply(cookie, 0).copy(reply);
      this.#send(reply);
    }
  }

  /** The next chunk. One at a time, so that no more of a reply is in memory than its host is about to take. */
  #readOn(reading: Reading): void {
    const { cookie, offset, length } = reading.request;
    const at = offset + reading.done;
    const piece = Math.min(READ_CHUNK, length - reading.done);
    const chunk = Buffer.allocUnsafe(28 + piece);
    reading.done += piece;
    const last = reading.done === length;
    if (last) this.#reading = undefined;
    try {
      this.#volume.read(at, chunk.subarray(28));
    } catch (error) {
      this.#reading = undefined;
      this.#fail(reading.request, asHostError(error));
      return;
    }
    chunkHeader(cookie, Chunk.offsetData, 8 + piece, last).copy(chunk);
    chunk.writeBigUInt64BE(BigInt(at), 20);
    this.#send(chunk);
  }

  #zero(request: Request): void {
    const keepAllocated = request.type === Command.writeZeroes && (request.flags & CommandFlag.noHole) !== 0;
    this.#volume.zero(request.offset, request.length, { keepAllocated });
    if ((request.flags & CommandFlag.fua) !== 0) this.#flush([request]);
    else this.#succeed(request);
  }

  #blockStatus({ flags, cookie, offset, length }: Request): void {
    if (!this.#agreement.allocation) throw new HostError('EINVAL', 'no metadata context was agreed on');
    const max = (flags & CommandFlag.requestOne) !== 0 ? 1 : STATUS_EXTENTS_MAX;
    const extents = this.#volume.extents(offset, length, max);
    const payload = Buffer.alloc(4 + extents.length * 8);
    payload.writeUInt32BE(BASE_ALLOCATION_ID, 0);
    const states = { data: 0, zero: BlockState.zero, hole: BlockState.hole | BlockState.zero };
    extents.forEach((extent, i) => {
      payload.writeUInt32BE(extent.length, 4 + i * 8);
      payload.writeUInt32BE(states[extent.kind], 8 + i * 8);
    });
    this.#send(Buffer.concat([chunkHeader(cookie, Chunk.blockStatus, payload.length, true), payload]));
  }

  /** Replies when everything answered so far is durable. */
  #flush(requests: readonly Request[]): void {
    this.#flushing += requests.length;
    const answer = (action: (request: Request) => void): void => {
      this.#flushing -= requests.length;
      requests.forEach(action);
      this.#flushed?.resolve(undefined);
      this.#flushed = undefined;
    };
    this.#volume.flush().then(
      () => answer((request) => this.#succeed(request)),
      (error: unknown) => answer((request) => this.#fail(request, asHostError(error))),
    );
  }

  #nextFlushed(): Promise<void> {
    this.#flushed ??= Promise.withResolvers<undefined>();
    return this.#flushed.promise;
  }

  #succeed(request: Request): void {
    this.#send(this.#successBytes(request));
  }

  /** Only READ and BLOCK_STATUS must be answered in the structured form once it is agreed on; both always are. */
  #successBytes({ cookie }: Request): Buffer {
    return simpleReply(cookie, 0);
  }

  #fail({ cookie, type }: Request, error: HostError): void {
    const structured = this.#agreement.structured && (type === Command.read || type === Command.blockStatus);
    this.#send(
      structured ? errorChunk(cookie, errnoOf(error.code)) : simpleReply(cookie, errnoOf(error.code)),
    );
  }
}

function decodeRequest(buffer: Buffer, at: number): Request | undefined {
  if (buffer.readUInt32BE(at) !== REQUEST_MAGIC) return undefined;
  return {
    flags: buffer.readUInt16BE(at + 4),
    type: buffer.readUInt16BE(at + 6),
    cookie: buffer.readBigUInt64BE(at + 8),
    offset: buffer.readUInt32BE(at + 16) * 0x1_0000_0000 + buffer.readUInt32BE(at + 20),
    length: buffer.readUInt32BE(at + 24),
  };
}

function asHostError(error: unknown): HostError {
  if (error instanceof HostError) return error;
  return new HostError('EIO', error instanceof Error ? error.message : String(error));
}
