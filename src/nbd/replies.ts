/**
 * A transmission's replies: those that can be sent at once, those that wait until the journal is durable, and those of READs
 * whose data is brought into memory first, while others are answered.
 */
import { HostError, type Extent } from './front-end.ts';
import type { Agreement } from './handshake.ts';
import {
  BASE_ALLOCATION_ID,
  BlockState,
  Chunk,
  CHUNK_HEADER_SIZE,
  Command,
  errnoOf,
  putChunkHeader,
  putSimpleReply,
  SIMPLE_REPLY_SIZE,
} from './protocol.ts';
import { Outbox, type Line } from './outbox.ts';
import type { Request } from './request.ts';

const STATES: Record<Extent['kind'], number> = {
  data: 0,
  zero: BlockState.zero,
  hole: BlockState.hole | BlockState.zero,
};

/** In front of a chunk's data: where in the export it lies. */
const OFFSET_SIZE = 8;
const HIGH = 0x1_0000_0000;

/** Requests that wait for a sync, or for what they read. */
const WAITING_MAX = 1024;
/** Of those that wait for what they read, bytes: when it is there all of it is replied, whether the host takes it or not. */
const READING_MAX = 1024 * 1024;

/** Bytes of an export. `last`: nothing of the READ is left after it. */
interface Part {
  readonly offset: number;
  readonly length: number;
  readonly last: boolean;
}

/** What a transmission needs of its connection. */
export interface Outlet extends Line {
  /** Whether this thread serves nobody else just now. */
  readonly isAlone: () => boolean;
  /** Undefined while the host takes its replies; otherwise settles when it has taken those before. */
  readonly drained: () => Promise<void> | undefined;
  /** A request is answered with this error; the host itself learns no more than a number. */
  readonly failed: (volume: string, error: HostError) => void;
}

export class Replies {
  readonly #agreement: Agreement;
  readonly #outlet: Outlet;
  readonly #outbox: Outbox;
  #waiting = 0;
  #readingBytes = 0;
  #answered: PromiseWithResolvers<undefined> | undefined;
  #isAbandoned = false;

  constructor(agreement: Agreement, outlet: Outlet) {
    this.#agreement = agreement;
    this.#outlet = outlet;
    this.#outbox = new Outbox(outlet);
  }

  /** Requests whose replies wait, for a sync or for what they read. */
  get pending(): number {
    return this.#waiting;
  }

  /** Undefined while more of them may wait; otherwise settles when fewer do. */
  full(): Promise<void> | undefined {
    if (this.#waiting < WAITING_MAX && this.#readingBytes < READING_MAX) return undefined;
    return this.#someAnswered();
  }

  /** Settles when every request that waits has been answered. */
  async settled(): Promise<void> {
    while (this.#waiting > 0) await this.#someAnswered();
  }

  /** The volume is read no more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Only READ and BLOCK_STATUS must be answered in the structured form once it is agreed on. */
  succeed(request: Request): void {
    const at = this.#outbox.reserve(SIMPLE_REPLY_SIZE);
    putSimpleReply(this.#outbox.bytes, at, request, 0);
  }

  fail(request: Request, error: HostError): void {
    const { type } = request;
    this.#outlet.failed(this.#agreement.volume.name, error);
    const errno = errnoOf(error.code);
    if (this.#agreement.structured && (type === Command.read || type === Command.blockStatus)) {
      const payload = Buffer.alloc(6);
      payload.writeUInt32BE(errno, 0);
      this.#lastChunk(request, Chunk.error, payload);
      return;
    }
    const at = this.#outbox.reserve(SIMPLE_REPLY_SIZE);
    putSimpleReply(this.#outbox.bytes, at, request, errno);
  }

  /** Succeeds when everything answered so far is durable. `isLast`: nothing that arrived is behind these. */
  succeedDurably(requests: readonly Request[], isLast: boolean): void {
    const alone = isLast && this.#waiting === 0 && this.#outlet.isAlone();
    this.#answerAfter(this.#agreement.volume.flush(alone), requests.length, (error) => {
      for (const request of requests) {
        if (error === undefined) this.succeed(request);
        else this.fail(request, error);
      }
    });
  }

  blockStatus(request: Request, extents: readonly Extent[]): void {
    const payload = Buffer.alloc(4 + extents.length * 8);
    payload.writeUInt32BE(BASE_ALLOCATION_ID, 0);
    extents.forEach((extent, i) => {
      payload.writeUInt32BE(extent.length, 4 + i * 8);
      payload.writeUInt32BE(STATES[extent.kind], 8 + i * 8);
    });
    this.#lastChunk(request, Chunk.blockStatus, payload);
  }

  /** The whole of a READ's reply, when what it reads is in memory. @throws HostError; then nothing was sent */
  read(request: Request): void {
    const { offset, length } = request;
    const part = { offset, length, last: true };
    const wait = this.readPart(request, part);
    if (wait === undefined) return;
    this.#readingBytes += length;
    this.#answerAfter(wait, 1, () => {
      this.#readingBytes -= length;
      if (this.#isAbandoned) return;
      try {
        this.readPartHere(request, part);
      } catch (error) {
        this.fail(request, asHostError(error));
      }
    });
  }

  /**
   * A part of a READ's structured reply, or the whole of a simple one, if what it reads is in memory. Otherwise nothing was
   * sent, and the promise settles when it can be expected to be. @throws HostError; then nothing was sent
   */
  readPart(request: Request, part: Part): Promise<void> | undefined {
    return this.#readPart(request, part, (into) => this.#agreement.volume.readNow(part.offset, into));
  }

  /** The same, waited for in this thread. @throws HostError; then nothing was sent */
  readPartHere(request: Request, part: Part): void {
    void this.#readPart(request, part, (into) => {
      this.#agreement.volume.read(part.offset, into);
      return undefined;
    });
  }

  /** What was answered leaves, in one write. */
  flush(): void {
    this.#outbox.flush();
  }

  #readPart(
    request: Request,
    { offset, length, last }: Part,
    fill: (into: Buffer) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const { structured } = this.#agreement;
    const dataAt = structured ? CHUNK_HEADER_SIZE + OFFSET_SIZE : SIMPLE_REPLY_SIZE;
    const at = this.#outbox.reserve(dataAt + length);
    const { bytes } = this.#outbox;
    let wait: Promise<void> | undefined;
    try {
      wait = fill(bytes.subarray(at + dataAt, at + dataAt + length));
    } catch (error) {
      this.#outbox.takeBack(at);
      throw error;
    }
    if (wait !== undefined) this.#outbox.takeBack(at);
    else if (!structured) putSimpleReply(bytes, at, request, 0);
    else {
      putChunkHeader(bytes, at, request, {
        type: Chunk.offsetData,
        length: OFFSET_SIZE + length,
        done: last,
      });
      bytes.writeUInt32BE(Math.floor(offset / HIGH), at + CHUNK_HEADER_SIZE);
      bytes.writeUInt32BE(offset % HIGH, at + CHUNK_HEADER_SIZE + 4);
    }
    return wait;
  }

  #answerAfter(wait: Promise<void>, count: number, answer: (error: HostError | undefined) => void): void {
    this.#waiting += count;
    const settle = (error: HostError | undefined): void => {
      answer(error);
      this.flush();
      this.#waiting -= count;
      this.#answered?.resolve(undefined);
      this.#answered = undefined;
    };
    wait.then(
      () => settle(undefined),
      (error: unknown) => settle(asHostError(error)),
    );
  }

  /** Settles when some more of those that wait have been answered. */
  #someAnswered(): Promise<void> {
    this.#answered ??= Promise.withResolvers<undefined>();
    return this.#answered.promise;
  }

  #lastChunk(request: Request, type: number, payload: Buffer): void {
    const at = this.#outbox.reserve(CHUNK_HEADER_SIZE + payload.length);
    putChunkHeader(this.#outbox.bytes, at, request, { type, length: payload.length, done: true });
    payload.copy(this.#outbox.bytes, at + CHUNK_HEADER_SIZE);
  }
}

export function asHostError(error: unknown): HostError {
  if (error instanceof HostError) return error;
  return new HostError('EIO', error instanceof Error ? error.message : String(error), { cause: error });
}
