/** Writes of one file, many under way at once: a request a round trip would leave the line idle most of the time. */
import { paced } from './paced.ts';
import { ReadAhead, type SpareBuffers, type UploadSource } from './read-ahead.ts';

/**
 * Bytes written but not yet answered. OpenSSH's own window of a channel is as large, so that more would only wait here.
 * A server that dies may have written any of them, so behind a cut a hole is nowhere but in the last so many bytes.
 */
export const WRITE_WINDOW = 2 << 20;
/**
 * Bytes of one write, which is what OpenSSH takes (limits@openssh.com). For servers that take less, ssh2 parts it, one piece
 * behind the other.
 */
export const WRITE_SIZE = 255 << 10;

/** A file that is open at the server. */
export interface RemoteWriter {
  write(bytes: Buffer, position: number): Promise<unknown>;
  truncate(size: number): Promise<unknown>;
}

/**
 * Returns the position that it got to, less than the size when the source is shorter. `onBytes` is told up to where all
 * is written. Behind a write that was refused the file is cut to what was written before it, so that no hole stays.
 */
export async function uploadTo(
  source: UploadSource,
  onBytes: (position: number) => void,
  target: RemoteWriter,
  spare: SpareBuffers,
): Promise<number> {
  const upload = new Upload(source, onBytes, target);
  try {
    return await upload.run(spare);
  } catch (error) {
    await upload.settle();
    await target.truncate(upload.written).catch(() => undefined);
    throw error;
  }
}

interface PendingWrite {
  readonly end: number;
  done: boolean;
  settled: Promise<void>;
}

class Upload {
  readonly #source: UploadSource;
  readonly #onBytes: (position: number) => void;
  readonly #target: RemoteWriter;
  /** Under way, in the order of their positions. */
  readonly #pending: PendingWrite[] = [];
  #refusal: { readonly reason: unknown } | undefined;
  #written: number;

  constructor(source: UploadSource, onBytes: (position: number) => void, target: RemoteWriter) {
    this.#source = source;
    this.#onBytes = onBytes;
    this.#target = target;
    this.#written = source.start;
  }

  /** All before it is written. */
  get written(): number {
    return this.#written;
  }

  async run(spare: SpareBuffers): Promise<number> {
    const { start, pace } = this.#source;
    const reader = new ReadAhead(this.#source, spare);
    let position = start;
    try {
      for (let chunk = await reader.next(); chunk?.position === position; chunk = await reader.next()) {
        const writes: Promise<void>[] = [];
        for await (const piece of paced(chunk.bytes, pace)) {
          for (let at = 0; at < piece.length; at += WRITE_SIZE) {
            await this.#room();
            writes.push(this.#write(piece.subarray(at, at + WRITE_SIZE), position + at));
          }
          position += piece.length;
        }
        // Not before the answers: of a write that ssh2 parts, the pieces are read only when their turn comes.
        void Promise.all(writes).then(chunk.release);
      }
    } finally {
      await reader.stop();
    }
    await this.settle();
    this.#check();
    return position;
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    while (this.#pending[0] !== undefined) await this.#pending[0].settled;
  }

  /** Resolves once it is answered, however. */
  #write(bytes: Buffer, position: number): Promise<void> {
    const write: PendingWrite = { end: position + bytes.length, done: false, settled: Promise.resolve() };
    this.#pending.push(write);
    write.settled = this.#target.write(bytes, position).then(
      () => this.#answered(write),
      (reason: unknown) => {
        this.#refusal ??= { reason };
        this.#answered(write);
      },
    );
    return write.settled;
  }

  #answered(write: PendingWrite): void {
    write.done = true;
    while (this.#pending[0]?.done === true) {
      const { end } = this.#pending[0];
      this.#pending.shift();
      // A refused write holds the others up: what lies behind it does not count.
      if (this.#refusal === undefined) this.#onBytes((this.#written = end));
    }
  }

  async #room(): Promise<void> {
    while (this.#pending.length >= Math.floor(WRITE_WINDOW / WRITE_SIZE)) await this.#pending[0]?.settled;
    this.#check();
  }

  #check(): void {
    if (this.#refusal !== undefined) throw this.#refusal.reason;
  }
}
