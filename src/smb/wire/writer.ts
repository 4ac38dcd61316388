/** Puts little-endian values into a message of a known size, front to back. Bytes that are not written are zero. */
export class Writer {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  u8(value: number): this {
    this.#position = this.#bytes.writeUInt8(value, this.#position);
    return this;
  }

  u16(value: number): this {
    this.#position = this.#bytes.writeUInt16LE(value, this.#position);
    return this;
  }

  u32(value: number): this {
    this.#position = this.#bytes.writeUInt32LE(value, this.#position);
    return this;
  }

  u64(value: bigint | number): this {
    this.#position = this.#bytes.writeBigUInt64LE(BigInt(value), this.#position);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
    return this;
  }

  zeros(count: number): this {
    this.#position += count;
    return this;
  }

  /** @throws Error when the size was not met: a programmer's mistake */
  done(): Buffer {
    if (this.#position !== this.#bytes.length) {
      throw new Error(`${this.#position} bytes were written of ${this.#bytes.length}`);
    }
    return this.#bytes;
  }
}
