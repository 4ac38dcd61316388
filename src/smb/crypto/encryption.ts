/** Encrypted messages: SMB2 TRANSFORM_HEADER (MS-SMB2 2.2.41, 3.1.4.3, 3.2.5.1.1.1). */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { malformed, SmbError } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { CipherName } from './algorithms.ts';

export const TRANSFORM_HEADER_LENGTH = 52;
/** `FD 'SMB'`, little-endian. */
export const TRANSFORM_ID = 0x424d53fd;
const TAG_LENGTH = 16;
/** Where the header's authenticated part begins: what lies before it is id and tag. */
const AUTHENTICATED_FROM = 20;
const NONCE_FIELD = 16;
const FLAG_ENCRYPTED = 0x0001;

export interface EncryptionKeys {
  readonly cipher: CipherName;
  readonly sessionId: bigint;
  readonly sending: Buffer;
  readonly receiving: Buffer;
}

export class Encryption {
  readonly #cipher: CipherName;
  readonly #sessionId: bigint;
  readonly #sending: KeyObject;
  readonly #receiving: KeyObject;
  #nonce = 0n;

  constructor(keys: EncryptionKeys) {
    this.#cipher = keys.cipher;
    this.#sessionId = keys.sessionId;
    this.#sending = createSecretKey(keys.sending);
    this.#receiving = createSecretKey(keys.receiving);
  }

  /** The encrypted form of the message of which `parts` are the pieces, in pieces. No nonce is used twice with a key. */
  encrypt(parts: readonly Buffer[]): Buffer[] {
    this.#nonce += 1n;
    const nonce = Buffer.alloc(NONCE_FIELD);
    nonce.writeBigUInt64LE(this.#nonce);
    return this.encryptWith(nonce, parts);
  }

  /** The same, with a nonce that the caller answers for. */
  encryptWith(nonce: Buffer, parts: readonly Buffer[]): Buffer[] {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const header = new Writer(TRANSFORM_HEADER_LENGTH)
      .u32(TRANSFORM_ID)
      .zeros(TAG_LENGTH)
      .bytes(nonce)
      .u32(length)
      .u16(0)
      .u16(FLAG_ENCRYPTED)
      .u64(this.#sessionId)
      .done();
    const cipher = createCipheriv(this.#algorithm, this.#sending, nonce.subarray(0, this.#nonceLength), {
      authTagLength: TAG_LENGTH,
    } as object);
    cipher.setAAD(header.subarray(AUTHENTICATED_FROM), { plaintextLength: length });
    // CCM takes the whole at once only.
    const whole = this.#isCcm && parts.length > 1 ? [Buffer.concat(parts)] : parts;
    const encrypted = whole.map((part) => cipher.update(part));
    cipher.final();
    header.set(cipher.getAuthTag(), 4);
    return [header, ...encrypted];
  }

  /** @throws SmbError `MALFORMED`, or `INTEGRITY` when it was not this session's server that encrypted it */
  decrypt(message: Buffer): Buffer {
    const reader = new Reader(message, 'an encrypted message').skip(4);
    const tag = reader.bytes(TAG_LENGTH);
    const nonce = reader.bytes(NONCE_FIELD).subarray(0, this.#nonceLength);
    const length = reader.u32();
    const flags = reader.skip(2).u16();
    const sessionId = reader.u64();
    if (length !== reader.remaining)
      throw malformed(`${reader.remaining} encrypted bytes are said to be ${length}`);
    if (flags !== FLAG_ENCRYPTED) throw malformed(`an encrypted message with flags ${flags}`);
    if (sessionId !== this.#sessionId) throw malformed('a message encrypted for another session');
    const decipher = createDecipheriv(this.#algorithm, this.#receiving, nonce, {
      authTagLength: TAG_LENGTH,
    } as object);
    decipher.setAuthTag(tag);
    decipher.setAAD(message.subarray(AUTHENTICATED_FROM, TRANSFORM_HEADER_LENGTH), {
      plaintextLength: length,
    });
    try {
      const plain = decipher.update(reader.bytes(length));
      decipher.final();
      return plain;
    } catch (cause) {
      throw new SmbError('INTEGRITY', 'an encrypted message was changed on its way', { cause });
    }
  }

  get #isCcm(): boolean {
    return this.#cipher.endsWith('CCM');
  }

  /** MS-SMB2 2.2.41: 11 bytes for CCM, 12 for GCM. */
  get #nonceLength(): number {
    return this.#isCcm ? 11 : 12;
  }

  /** Node types the modes apart, but not their union. */
  get #algorithm(): 'aes-128-gcm' {
    return this.#cipher.toLowerCase() as 'aes-128-gcm';
  }
}
