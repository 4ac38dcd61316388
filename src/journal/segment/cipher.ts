/** A segment's encryption: see `format.ts` for how keys and nonces are made. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

export const SALT_SIZE = 16;
const TAG_SIZE = 16;
const KEY_CHECK_SIZE = 8;
const NONCE_SIZE = 12;
/** In place of a frame number. */
const TRAILER_NUMBER = 0xffff_ffff;

export class SegmentCipher {
  readonly keyCheck: Buffer;
  readonly #key: KeyObject;

  constructor(groupKey: Buffer, salt: Buffer) {
    // KeyObjects: raw buffers cost 15 to 24 µs a call more on Node 24.
    const derived = hkdfSync('sha256', createSecretKey(groupKey), salt, 'blockferry segment 1', 32);
    this.#key = createSecretKey(Buffer.from(derived));
    this.keyCheck = createHmac('sha256', this.#key)
      .update('blockferry key check')
      .digest()
      .subarray(0, KEY_CHECK_SIZE);
  }

  /** Ciphertext, and tag, in two buffers: joining them would copy a megabyte for sixteen bytes. */
  sealFrame(plain: Buffer, number: number, associated: readonly Buffer[]): [Buffer, Buffer] {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce(number), { authTagLength: TAG_SIZE });
    cipher.setAAD(Buffer.concat(associated));
    const body = cipher.update(plain);
    // Ends the message: GCM holds nothing back.
    cipher.final();
    return [body, cipher.getAuthTag()];
  }

  /** Undefined when the tag does not hold. */
  openFrame(stored: Buffer, number: number, associated: readonly Buffer[]): Buffer | undefined {
    if (stored.length < TAG_SIZE) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce(number), { authTagLength: TAG_SIZE });
    decipher.setAAD(Buffer.concat(associated));
    decipher.setAuthTag(stored.subarray(stored.length - TAG_SIZE));
    try {
      const plain = decipher.update(stored.subarray(0, stored.length - TAG_SIZE));
      // Only checks the tag: GCM holds nothing back.
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }

  /** The tag over header, table and trailer. */
  sealTrailer(parts: readonly Buffer[]): Buffer {
    return this.sealFrame(Buffer.alloc(0), TRAILER_NUMBER, parts)[1];
  }

  checkTrailer(tag: Buffer, parts: readonly Buffer[]): boolean {
    return this.openFrame(tag, TRAILER_NUMBER, parts) !== undefined;
  }
}

function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(NONCE_SIZE);
  bytes.writeUInt32BE(number, NONCE_SIZE - 4);
  return bytes;
}
