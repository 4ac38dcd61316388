/** A transmission's replies: those that can be sent at once, and those that wait until the journal is durable. */
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
  #flushing = 0;
  #flushed: PromiseWithResolvers<undefined> | undefined;

  constructor(agreement: Agreement, outlet: Outlet) {
    this.#agreement = agreement;
    this.#outlet = outlet;
    this.#outbox = new Outbox(outlet);
  }

  /** Requests whose replies wait for a sync. */
  get pending(): number {
    return this.#flushing;
  }

  /** Settles when every request that waits for a sync has been answered. */
  async settled(): Promise<void> {
    while (this.#flushing > 0) await this.someSettled();
  }

  /** Settles when some more of them have been. */
  someSettled(): Promise<void> {
    this.#flushed ??= Promise.withResolvers<undefined>();
    return this.#flushed.promise;
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
    const alone = isLast && this.#flushing === 0 && this.#outlet.isAlone();
    this.#flushing += requests.length;
    const answered = (): void => {
      this.flush();
      this.#flushing -= requests.length;
      this.#flushed?.resolve(undefined);
      this.#flushed = undefined;
    };
    this.#agreement.volume.flush(alone).then(
      () => {
        for (const request of requests) this.succeed(request);
        answered();
      },
      (error: unknown) => {
        for (const request of requests) this.fail(request, asHostError(error));
        answered();
      },
    );
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

  /** The whole of a READ's reply; `fill` puts the data in. @throws what `fill` throws; then nothing was sent */
  readWhole(request: Request, fill: (into: Buffer) => void): void {
    const at = this.#outbox.reserve(SIMPLE_REPLY_SIZE + request.length);
    this.#filled(at, at + SIMPLE_REPLY_SIZE, request.length, fill);
    putSimpleReply(this.#outbox.bytes, at, request, 0);
  }

  /** A part of a READ's structured reply. @throws what `fill` throws; then nothing was sent */
  readChunk(
    request: Request,
    part: { readonly offset: number; readonly length: number; readonly last: boolean },
    fill: (into: Buffer) => void,
  ): void {
    const { offset, length, last: done } = part;
    const at = this.#outbox.reserve(CHUNK_HEADER_SIZE + OFFSET_SIZE + length);
    this.#filled(at, at + CHUNK_HEADER_SIZE + OFFSET_SIZE, length, fill);
    const { bytes } = this.#outbox;
    putChunkHeader(bytes, at, request, { type: Chunk.offsetData, length: OFFSET_SIZE + length, done });
    bytes.writeUInt32BE(Math.floor(offset / HIGH), at + CHUNK_HEADER_SIZE);
    bytes.writeUInt32BE(offset % HIGH, at + CHUNK_HEADER_SIZE + 4);
  }

  /** What was answered leaves, in one write. */
  flush(): void {
    this.#outbox.flush();
  }

  #filled(at: number, dataAt: number, length: number, fill: (into: Buffer) => void): void {
    try {
      fill(this.#outbox.bytes.subarray(dataAt, dataAt + length));
    } catch (error) {
      this.#outbox.takeBack(at);
      throw error;
    }
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
