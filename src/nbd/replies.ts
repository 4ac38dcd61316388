/** A transmission's replies: those that can be sent at once, and those that wait until the journal is durable. */
import { HostError, type Extent } from './front-end.ts';
import type { Agreement } from './handshake.ts';
import {
  BASE_ALLOCATION_ID,
  BlockState,
  Chunk,
  chunkHeader,
  Command,
  errnoOf,
  errorChunk,
  simpleReply,
} from './protocol.ts';
import type { Request } from './request.ts';

const STATES: Record<Extent['kind'], number> = {
  data: 0,
  zero: BlockState.zero,
  hole: BlockState.hole | BlockState.zero,
};

/** What a transmission needs of its connection. */
export interface Outlet {
  readonly send: (bytes: Buffer) => void;
  /** Undefined while the host takes its replies; otherwise settles when it has taken those before. */
  readonly drained: () => Promise<void> | undefined;
  /** A request is answered with this error; the host itself learns no more than a number. */
  readonly failed: (volume: string, error: HostError) => void;
}

export class Replies {
  readonly #agreement: Agreement;
  readonly #outlet: Outlet;
  #flushing = 0;
  #flushed: PromiseWithResolvers<undefined> | undefined;

  constructor(agreement: Agreement, outlet: Outlet) {
    this.#agreement = agreement;
    this.#outlet = outlet;
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

  /** In one piece for all. Only READ and BLOCK_STATUS must be answered in the structured form once it is agreed on. */
  succeed(requests: readonly Request[]): void {
    if (requests.length === 0) return;
    this.#outlet.send(Buffer.concat(requests.map(({ cookie }) => simpleReply(cookie, 0))));
  }

  fail({ cookie, type }: Request, error: HostError): void {
    this.#outlet.failed(this.#agreement.volume.name, error);
    const structured = this.#agreement.structured && (type === Command.read || type === Command.blockStatus);
    const errno = errnoOf(error.code);
    this.#outlet.send(structured ? errorChunk(cookie, errno) : simpleReply(cookie, errno));
  }

  /** Succeeds when everything answered so far is durable. */
  succeedDurably(requests: readonly Request[]): void {
    this.#flushing += requests.length;
    const answered = (): void => {
      this.#flushing -= requests.length;
      this.#flushed?.resolve(undefined);
      this.#flushed = undefined;
    };
    this.#agreement.volume.flush().then(
      () => {
        this.succeed(requests);
        answered();
      },
      (error: unknown) => {
        for (const request of requests) this.fail(request, asHostError(error));
        answered();
      },
    );
  }

  blockStatus({ cookie }: Request, extents: readonly Extent[]): void {
    const payload = Buffer.alloc(4 + extents.length * 8);
    payload.writeUInt32BE(BASE_ALLOCATION_ID, 0);
    extents.forEach((extent, i) => {
      payload.writeUInt32BE(extent.length, 4 + i * 8);
      payload.writeUInt32BE(STATES[extent.kind], 8 + i * 8);
    });
    this.#outlet.send(Buffer.concat([chunkHeader(cookie, Chunk.blockStatus, payload.length, true), payload]));
  }

  /** The whole of a READ's reply; `fill` puts the data in. @throws what `fill` throws; then nothing was sent */
  readWhole({ cookie, length }: Request, fill: (into: Buffer) => void): void {
    const reply = Buffer.allocUnsafe(16 + length);
    fill(reply.subarray(16));
    simpleReply(cookie, 0).copy(reply);
    this.#outlet.send(reply);
  }

  /** A part of a READ's structured reply. @throws what `fill` throws; then nothing was sent */
  readChunk(
    { cookie }: Request,
    part: { readonly offset: number; readonly length: number; readonly last: boolean },
    fill: (into: Buffer) => void,
  ): void {
    const chunk = Buffer.allocUnsafe(28 + part.length);
    fill(chunk.subarray(28));
    chunkHeader(cookie, Chunk.offsetData, 8 + part.length, part.last).copy(chunk);
    chunk.writeBigUInt64BE(BigInt(part.offset), 20);
    this.#outlet.send(chunk);
  }
}

export function asHostError(error: unknown): HostError {
  if (error instanceof HostError) return error;
  return new HostError('EIO', error instanceof Error ? error.message : String(error), { cause: error });
}
