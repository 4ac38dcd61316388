import type { FileHandle } from 'node:fs/promises';
import type { LocalFile, Pace } from '../transport.ts';
import { fileError } from './file-errors.ts';
import { READ_CHUNK } from './local-file.ts';

/** A local file that is open, of which what lies behind `start` is to be sent. */
export interface UploadSource {
  readonly local: LocalFile;
  readonly file: FileHandle;
  /** Where sending begins. */
  readonly start: number;
  readonly pace: Pace | undefined;
}

/**
 * Buffers of {@link READ_CHUNK} that nothing looks at any more. Memory that is new costs more than to fill it with what a file
 * holds, so they are kept from file to file.
 */
export type SpareBuffers = Buffer[];

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

/** Reads a file in order, and ahead, so that a sender need not wait for the disk. */
export class ReadAhead {
  readonly #source: UploadSource;
  readonly #spare: SpareBuffers;
  readonly #coming: Promise<Chunk | undefined>[] = [];
  #position: number;
  #end: number;

  constructor(source: UploadSource, spare: SpareBuffers) {
    this.#source = source;
    this.#spare = spare;
    this.#position = source.start;
    this.#end = source.local.size;
  }

  /** The next chunk; undefined at the end, or where the file ends before. @throws TransportError when it cannot be read */
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

  /** Resolves when nothing is read any more, nor will be; the file may be closed then. */
  async stop(): Promise<void> {
    this.#end = this.#position;
    await Promise.allSettled(this.#coming.splice(0));
  }

  async #read(position: number, wanted: number): Promise<Chunk | undefined> {
    const { file, local } = this.#source;
    const buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(READ_CHUNK);
    let length = 0;
    try {
      while (length < wanted) {
        const { bytesRead } = await file.read(buffer, length, wanted - length, position + length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
    } catch (error) {
      throw fileError(error, `reading ${local.path}`, local.path);
    }
    const release = (): void => void this.#spare.push(buffer);
    if (length > 0) return { bytes: buffer.subarray(0, length), position, release };
    release();
    return undefined;
  }
}
