import { BUFFERS_KEPT, PAYLOAD_MAX } from './limits.ts';

/** Memory for writes, used again: fresh memory costs more than what is done with it. */
export class Buffers {
  readonly #free: Buffer[] = [];

  /** {@link PAYLOAD_MAX} bytes. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(PAYLOAD_MAX);
  }

  /** Only what nobody writes from any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < BUFFERS_KEPT) this.#free.push(buffer);
  }
}
