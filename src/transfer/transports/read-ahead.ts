import type { FileHandle } from 'node:fs/promises';
import { READ_CHUNK } from './local-file.ts';

/** A piece of a local file. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Of its first byte. */
  readonly position: number;
  /** To be called once nothing looks at the bytes any more: they are used again. */
  readonly release: () => void;
}

/** How many chunks are read before they are asked for. */
const AHEAD = 2;

/** Reads a file in order, and ahead, so that a sender need not wait for the disk. Memory is used again. */
export class ReadAhead {
  readonly #file: FileHandle;
  readonly #end: number;
  readonly #free: Buffer[] = [];
  readonly #coming: Promise<Chunk | undefined>[] = [];
  #position: number;

  /** `end`: where reading ends at the latest. */
  constructor(file: FileHandle, start: number, end: number) {
    this.#file = file;
    this.#position = start;
    this.#end = end;
  }

  /** The next chunk; undefined at the end, or where the file ends before. */
  async next(): Promise<Chunk | undefined> {
    while (this.#coming.length <= AHEAD && this.#position < this.#end) {
      const length = Math.min(READ_CHUNK, this.#end - this.#position);
      const coming = this.#read(this.#position, length);
      // Whoever asks for it hears of it; until then nobody does.
      coming.catch(() => undefined);
      this.#coming.push(coming);
      this.#position += length;
    }
    return this.#coming.shift();
  }

  /** Resolves when nothing is read any more; the file may be closed then. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#coming.splice(0));
  }

  async #read(position: number, wanted: number): Promise<Chunk | undefined> {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_CHUNK);
    let length = 0;
    while (length < wanted) {
      const { bytesRead } = await this.#file.read(buffer, length, wanted - length, position + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length === 0) return undefined;
    return { bytes: buffer.subarray(0, length), position, release: () => void this.#free.push(buffer) };
  }
}
