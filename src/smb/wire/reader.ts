import { malformed } from '../errors.ts';

/**
 * Takes little-endian values from a message, front to back. Whatever lies outside of the message is refused before any
 * memory is taken: an offset or a length from the wire is never believed.
 */
export class Reader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #position = 0;

  /** `what` names the message in errors. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8));
  }

  /** A 64-bit size or offset. @throws SmbError `MALFORMED` past 2^53 - 1 */
  size64(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a size of ${value} in ${this.#what}`);
    return Number(value);
  }

  skip(length: number): this {
    this.#advance(length);
    return this;
  }

  /** A view of the next bytes, not a copy. */
  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A view of a part that the message points to by offset and length, wherever reading stands. */
  slice(offset: number, length: number): Buffer {
    if (length === 0) return this.#bytes.subarray(0, 0);
    if (offset + length > this.#bytes.length) {
      throw malformed(`${this.#what} points to ${length} bytes at ${offset} of ${this.#bytes.length}`);
    }
    return this.#bytes.subarray(offset, offset + length);
  }

  /** Every body of MS-SMB2 2.2 begins with its size, by which a message of another kind is found out. */
  structureSize(expected: number): this {
    const size = this.u16();
    if (size !== expected) throw malformed(`${this.#what} has structure size ${size}, not ${expected}`);
    return this;
  }

  #advance(length: number): number {
    if (length > this.remaining) {
      throw malformed(`${this.#what} ends after ${this.#bytes.length} bytes`);
    }
    const start = this.#position;
    this.#position += length;
    return start;
  }
}
