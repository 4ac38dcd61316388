import { createCipheriv, type KeyObject } from 'node:crypto';

const BLOCK = 16;
const ZEROS = Buffer.alloc(BLOCK);
/** Bytes that go through the cipher at a time: it returns as many, which are thrown away while they are still in a cache. */
const CHUNK = 16 * 1024;

/**
 * AES-128-CMAC (RFC 4493) of the parts one after another. Node offers no CMAC, but the chain of blocks is AES-CBC's, so the
 * work is OpenSSL's.
 */
export class Cmac {
  readonly #key: KeyObject;
  /** K1 and K2 of RFC 4493 2.3. */
  readonly #whole: Buffer;
  readonly #partial: Buffer;

  constructor(key: KeyObject) {
    this.#key = key;
    this.#whole = double(createCipheriv('aes-128-ecb', key, null).update(ZEROS));
    this.#partial = double(this.#whole);
  }

  digest(parts: readonly Buffer[]): Buffer {
    const chain = createCipheriv('aes-128-cbc', this.#key, ZEROS).setAutoPadding(false);
    let left = parts.reduce((sum, part) => sum + part.length, 0);
    // The last block, whole or not, is mixed with a key of its own.
    const lastLength = left === 0 ? 0 : ((left - 1) % BLOCK) + 1;
    const last = Buffer.alloc(BLOCK);
    for (const part of parts) {
      const chained = Math.min(part.length, Math.max(0, left - lastLength));
      for (let start = 0; start < chained; start += CHUNK) {
        chain.update(part.subarray(start, Math.min(start + CHUNK, chained)));
      }
      part.copy(last, Math.max(0, lastLength - left), chained);
      left -= part.length;
    }
    if (lastLength < BLOCK) last[lastLength] = 0x80;
    const mask = lastLength < BLOCK ? this.#partial : this.#whole;
    return chain.update(last.map((byte, index) => byte ^ (mask[index] ?? 0)));
  }
}

/** Multiplication by x in GF(2^128) (RFC 4493 2.3). */
function double(block: Buffer): Buffer {
  const result = Buffer.alloc(BLOCK);
  for (let index = 0; index < BLOCK; index++) {
    result[index] = ((block[index] ?? 0) << 1) | ((block[index + 1] ?? 0) >> 7);
  }
  if ((block[0] ?? 0) & 0x80) result[BLOCK - 1] = (result[BLOCK - 1] ?? 0) ^ 0x87;
  return result;
}
