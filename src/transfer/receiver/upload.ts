import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { Allowance } from './allowance.ts';
import type { Part } from './inbox.ts';
import { DATA_IDLE_TIME, UPLOAD_BUFFER_MAX } from './limits.ts';
import { Refusal } from './reply.ts';

export interface UploadTarget {
  readonly part: Part;
  readonly allowance: Pick<Allowance, 'spend'>;
  /** Bytes that the whole may have. */
  readonly sizeMax: number;
  readonly clock: Clock;
  /** Ends the transfer; what has arrived stays. */
  readonly signal: AbortSignal;
}

/**
 * Writes all that a data connection delivers behind the part's end, and syncs it. What was written stays in the part
 * when this fails, so that the sender can resume.
 *
 * @throws Refusal 426 cut, silent for too long or ended by `signal`; 452, 552 no room; 550 too large
 */
export async function upload(data: Duplex, target: UploadTarget): Promise<void> {
  const incoming = new Incoming(data, target);
  try {
    for (let batch = await incoming.next(); batch !== undefined; batch = await incoming.next()) {
      if (target.part.size + batch.length > target.sizeMax) {
        throw new Refusal(550, `Such a file has at most ${target.sizeMax} bytes`);
      }
      const { chunks, length } = batch;
      await target.allowance.spend(length, () => target.part.append(chunks, length));
    }
    await target.part.sync();
  } finally {
    incoming.stop();
  }
}

interface Batch {
  readonly chunks: readonly Buffer[];
  readonly length: number;
}

/** Gathers what arrives while the batch before is written: TLS delivers pieces of 16 KiB, too small to write one by one. */
class Incoming {
  readonly #data: Duplex;
  readonly #target: UploadTarget;
  #chunks: Buffer[] = [];
  #length = 0;
  #ended: boolean;
  #failure: Refusal | undefined;
  #lastHeard: number;
  #timer: Timer;
  #wake: () => void = () => undefined;

  constructor(data: Duplex, target: UploadTarget) {
    this.#data = data;
    this.#target = target;
    // An empty file's end may have come before its command was carried out.
    this.#ended = data.readableEnded;
    this.#lastHeard = target.clock.monotonic();
    this.#timer = this.#watch(DATA_IDLE_TIME);
    data.on('data', this.#onData);
    data.once('end', this.#onEnd);
    data.once('close', this.#onClose);
    target.signal.addEventListener('abort', this.#onAbort);
    if (target.signal.aborted) this.#onAbort();
    else if (data.destroyed) this.#onClose();
  }

  /** Undefined at the end of the file. @throws Refusal 426 */
  async next(): Promise<Batch | undefined> {
    while (this.#length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    // What arrived before a cut is worth keeping; what arrived before an ABOR or a successor is not.
    if (this.#failure !== undefined && this.#target.signal.aborted) throw this.#failure;
    const batch = { chunks: this.#chunks, length: this.#length };
    this.#chunks = [];
    this.#length = 0;
    this.#data.resume();
    return batch;
  }

  stop(): void {
    this.#timer.cancel();
    this.#target.signal.removeEventListener('abort', this.#onAbort);
    this.#data.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#data.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    this.#lastHeard = this.#target.clock.monotonic();
    if (this.#length >= UPLOAD_BUFFER_MAX) this.#data.pause();
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail('The data connection was cut; resume with what SIZE answers');
  };

  readonly #onAbort = (): void => this.#fail('The transfer was ended; what has arrived is kept');

  #fail(text: string): void {
    this.#failure ??= new Refusal(426, text);
    this.#wake();
  }

  #watch(delay: number): Timer {
    return this.#target.clock.after(delay, () => {
      // A slow disk of ours is not the sender's silence.
      if (this.#length > 0) this.#lastHeard = this.#target.clock.monotonic();
      const left = this.#lastHeard + DATA_IDLE_TIME - this.#target.clock.monotonic();
      if (left <= 0) this.#fail('No data for too long; resume with what SIZE answers');
      else this.#timer = this.#watch(left);
    });
  }
}
