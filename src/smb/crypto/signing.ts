/** Signatures of messages (MS-SMB2 3.1.4.1), 16 bytes in the header, over the message with those bytes zero. */
import { createCipheriv, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { FLAG_FROM_SERVER, FLAG_SIGNED, HEADER_FIELDS } from '../messages/header.ts';
import type { SigningName } from './algorithms.ts';
import { Cmac } from './cmac.ts';

const SIGNATURE_LENGTH = 16;
const COMMAND_CANCEL = 0x000c;

export class Signer {
  readonly #digest: (parts: readonly Buffer[]) => Buffer;

  constructor(algorithm: SigningName, key: Buffer) {
    this.#digest = digester(algorithm, createSecretKey(key));
  }

  /** Signs the message of which `parts` are the pieces, the header whole in the first, in place. */
  sign(parts: readonly [Buffer, ...Buffer[]]): void {
    const [header] = parts;
    header.writeUInt32LE(header.readUInt32LE(HEADER_FIELDS.flags) | FLAG_SIGNED, HEADER_FIELDS.flags);
    const signature = signatureOf(header).fill(0);
    signature.set(this.#digest(parts));
  }

  /** Whether the signature of a message is right. The message is as it was afterwards. */
  verify(message: Buffer): boolean {
    const signature = signatureOf(message);
    const given = Buffer.from(signature);
    signature.fill(0);
    const expected = this.#digest([message]);
    signature.set(given);
    return timingSafeEqual(given, expected);
  }
}

function signatureOf(header: Buffer): Buffer {
  return header.subarray(HEADER_FIELDS.signature, HEADER_FIELDS.signature + SIGNATURE_LENGTH);
}

function digester(algorithm: SigningName, key: KeyObject): (parts: readonly Buffer[]) => Buffer {
  switch (algorithm) {
    case 'HMAC-SHA256':
      return (parts) => {
        const hmac = createHmac('sha256', key);
        for (const part of parts) hmac.update(part);
        return hmac.digest().subarray(0, SIGNATURE_LENGTH);
      };
    case 'AES-CMAC': {
      const cmac = new Cmac(key);
      return (parts) => cmac.digest(parts);
    }
    case 'AES-GMAC':
      return (parts) => gmac(key, parts);
  }
}

/** AES-128-GMAC (SP 800-38D) with the nonce that MS-SMB2 3.1.4.1 makes of the header. */
function gmac(key: KeyObject, parts: readonly Buffer[]): Buffer {
  const cipher = createCipheriv('aes-128-gcm', key, gmacNonce(parts[0] ?? Buffer.alloc(0)));
  for (const part of parts) cipher.setAAD(part);
  cipher.final();
  return cipher.getAuthTag();
}

/** Message id, one bit for what the server sends and one for CANCEL, which has the id of what it cancels. */
function gmacNonce(header: Buffer): Buffer {
  const nonce = Buffer.alloc(12);
  header.copy(nonce, 0, HEADER_FIELDS.messageId, HEADER_FIELDS.messageId + 8);
  const fromServer = header.readUInt32LE(HEADER_FIELDS.flags) & FLAG_FROM_SERVER;
  const cancel = header.readUInt16LE(HEADER_FIELDS.command) === COMMAND_CANCEL;
  nonce.writeUInt32LE(fromServer | (cancel ? 2 : 0), 8);
  return nonce;
}
