/**
 * "Transmission": requests in, replies out. A state machine without a socket.
 *
 * What was received lies in one buffer of the session. A WRITE stays where it arrived: the 28 bytes of its NBD request
 * become the head-room that the journal writes its record header into, and WRITEs that arrived together become one run. A
 * WRITE that is too long to wait for is handed on in pieces as they arrive; the head-room of a later piece is the end of
 * the piece before it, which is in the journal already.
 */
import { HostError, WRITE_HEADROOM, WRITE_LENGTH_MAX, type HostVolume } from './front-end.ts';
import type { Agreement } from './handshake.ts';
import { Command, CommandFlag, DISCARD_MAX, REQUEST_SIZE } from './protocol.ts';
import { asHostError, Replies, type Outlet } from './replies.ts';
import { decodeRequest, misfit, type Request } from './request.ts';

/** Up to this length a WRITE is waited for and joins a run; a longer one goes on in pieces. Bytes. */
const WHOLE_WRITE_MAX = 64 * 1024;
const RUN_COUNT_MAX = 1024;
const SECTOR = 512;
/** Data of one chunk of a structured READ reply. */
const READ_CHUNK = 256 * 1024;
const STATUS_EXTENTS_MAX = 1024;

/** `room` in the journal, or `replies` that the host does not take or that wait for a sync or for what they read. */
export type BlockedFor = 'room' | 'replies';

export type TakeResult =
  | { readonly kind: 'more'; readonly used: number }
  /** Nothing further is taken until `until` settles. */
  | {
      readonly kind: 'blocked';
      readonly used: number;
      readonly for: BlockedFor;
      readonly until: Promise<void>;
    }
  | { readonly kind: 'ended'; readonly reason: string | undefined };

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
  /** The next chunk was brought into memory. */
  wasBroughtIn: boolean;
}

export class Transmission {
  readonly #volume: HostVolume;
  readonly #agreement: Agreement;
  readonly #replies: Replies;
  readonly #drained: Outlet['drained'];
  readonly #offsets = new Float64Array(RUN_COUNT_MAX);
  readonly #lengths = new Uint32Array(RUN_COUNT_MAX);
  #run: Request[] = [];
  #runStart = 0;
  #streaming: Streaming | undefined;
  #reading: Reading | undefined;
  /** Nothing that arrived is behind what is being answered. */
  #isLast = false;

  constructor(agreement: Agreement, outlet: Outlet) {
    this.#agreement = agreement;
    this.#volume = agreement.volume;
    this.#replies = new Replies(agreement, outlet);
    this.#drained = outlet.drained;
  }

  get volume(): HostVolume {
    return this.#volume;
  }

  /** Replies that wait, for a sync or for what they read. */
  get pending(): number {
    return this.#replies.pending;
  }

  /** In the middle of a WRITE's payload. */
  get midway(): boolean {
    return this.#streaming !== undefined;
  }

  /** Settles when every request that waits so has been answered. */
  settled(): Promise<void> {
    return this.#replies.settled();
  }

  /** The volume is read no more for those that wait. */
  abandon(): void {
    this.#replies.abandon();
  }

  /**
   * Takes what is complete of `buffer` from `start` to `end`. There are always {@link WRITE_HEADROOM} bytes before
   * `start` that may be overwritten.
   */
  take(buffer: Buffer, start: number, end: number): TakeResult {
    const result = this.#take(buffer, start, end);
    this.#replies.flush();
    return result;
  }

  #take(buffer: Buffer, start: number, end: number): TakeResult {
    let at = start;
    this.#isLast = false;
    for (;;) {
      const busy = this.#busy();
      if (busy !== undefined) {
        this.#finishRun(buffer);
        return { kind: 'blocked', used: at - start, for: 'replies', until: busy };
      }
      if (this.#reading !== undefined) {
        const until = this.#readOn(this.#reading);
        if (until !== undefined) return { kind: 'blocked', used: at - start, for: 'replies', until };
        continue;
      }
      if (this.#streaming !== undefined) {
        const until = this.#streaming.error === undefined ? this.#volume.room() : undefined;
        if (until !== undefined) return { kind: 'blocked', used: at - start, for: 'room', until };
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
          request.length <= WHOLE_WRITE_MAX &&
          request.length > 0 &&
          misfit(request, this.#volume.size) === undefined;
        if (whole && end - at < REQUEST_SIZE + request.length) break;
        const until = this.#run.length === 0 ? this.#volume.room() : undefined;
        if (until !== undefined) return { kind: 'blocked', used: at - start, for: 'room', until };
        at += whole ? this.#join(request, buffer, at) : this.#begin(request, buffer);
        continue;
      }
      this.#finishRun(buffer);
      if (request.type === Command.disconnect) return { kind: 'ended', reason: undefined };
      if (request.type === Command.trim || request.type === Command.writeZeroes) {
        const until = this.#volume.room();
        if (until !== undefined) return { kind: 'blocked', used: at - start, for: 'room', until };
      }
      at += REQUEST_SIZE;
      this.#isLast = at === end;
      this.#answer(request);
    }
    this.#isLast = at === end;
    this.#finishRun(buffer);
    return { kind: 'more', used: at - start };
  }

  /** What must settle before anything more is done for this host: it leaves replies unread, or floods us with flushes and reads. */
  #busy(): Promise<void> | undefined {
    return this.#replies.full() ?? this.#drained();
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
      for (const request of requests) this.#replies.fail(request, error);
      return;
    }
    this.#succeedAll(requests);
  }

  #begin(request: Request, buffer: Buffer): number {
    this.#finishRun(buffer);
    const error = misfit(request, this.#volume.size);
    this.#streaming = { request, offset: request.offset, left: request.length, error };
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
      this.#isLast = at + piece === end;
      this.#streaming = undefined;
      if (streaming.error !== undefined) this.#replies.fail(streaming.request, streaming.error);
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
      const error = request.type === Command.flush ? undefined : misfit(request, this.#volume.size);
      if (error !== undefined) throw error;
      switch (request.type) {
        case Command.read:
          this.#read(request);
          return;
        case Command.flush:
          this.#replies.succeedDurably([request], this.#isLast);
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
      this.#replies.fail(request, asHostError(error));
    }
  }

  /** A simple reply cannot take an error back once it has begun: all is read before. */
  #read(request: Request): void {
    const { offset, length } = request;
    if (length <= READ_CHUNK) this.#replies.read(request);
    else if (this.#agreement.structured) this.#reading = { request, done: 0, wasBroughtIn: false };
    else this.#replies.readPartHere(request, { offset, length, last: true });
  }

  /**
   * The next chunk. One at a time, so that no more of a reply is in memory than its host is about to take. Returns what has to
   * settle first when it is not in memory.
   */
  #readOn(reading: Reading): Promise<void> | undefined {
    const { request, done } = reading;
    const length = Math.min(READ_CHUNK, request.length - done);
    const part = { offset: request.offset + done, length, last: done + length === request.length };
    try {
      if (reading.wasBroughtIn) this.#replies.readPartHere(request, part);
      else {
        const wait = this.#replies.readPart(request, part);
        reading.wasBroughtIn = wait !== undefined;
        if (wait !== undefined) return wait;
      }
      reading.done += length;
      reading.wasBroughtIn = false;
      if (part.last) this.#reading = undefined;
    } catch (error) {
      this.#reading = undefined;
      this.#replies.fail(request, asHostError(error));
    }
    return undefined;
  }

  #zero(request: Request): void {
    const keepAllocated = request.type === Command.writeZeroes && (request.flags & CommandFlag.noHole) !== 0;
    this.#volume.zero(request.offset, request.length, { keepAllocated });
    this.#succeed(request);
  }

  #blockStatus(request: Request): void {
    if (!this.#agreement.allocation) throw new HostError('EINVAL', 'no metadata context was agreed on');
    const max = (request.flags & CommandFlag.requestOne) !== 0 ? 1 : STATUS_EXTENTS_MAX;
    this.#replies.blockStatus(request, this.#volume.extents(request.offset, request.length, max));
  }

  /** Those with FUA once they are durable (I1), with one sync for all. */
  #succeedAll(requests: readonly Request[]): void {
    let durably: Request[] | undefined;
    for (const request of requests) {
      if ((request.flags & CommandFlag.fua) === 0) this.#replies.succeed(request);
      else (durably ??= []).push(request);
    }
    if (durably !== undefined) this.#replies.succeedDurably(durably, this.#isLast);
  }

  #succeed(request: Request): void {
    this.#succeedAll([request]);
  }
}
