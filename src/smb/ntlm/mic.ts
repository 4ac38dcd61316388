/** Signatures of the log-on's own session (MS-NLMP 3.4.4.2), which SPNEGO guards its list of mechanisms with. */
import { createHash } from 'node:crypto';
import { rc4 } from '../crypto/rc4.ts';
import { hmacMd5 } from './response.ts';

export type Direction = 'client-to-server' | 'server-to-client';

/** Of NTLMSSP_MESSAGE_SIGNATURE (MS-NLMP 2.2.2.9.1). */
const VERSION = 1;

/**
 * The signature of the first message in a direction, whose sequence number is 0. `keyExchange`: the session key was
 * exchanged, and then the checksum is sealed too.
 */
export function firstSignature(
  message: Buffer,
  { sessionKey, keyExchange }: { readonly sessionKey: Buffer; readonly keyExchange: boolean },
  direction: Direction,
): Buffer {
  const derived = (purpose: 'signing' | 'sealing'): Buffer =>
    createHash('md5')
      .update(sessionKey)
      .update(`session key to ${direction} ${purpose} key magic constant\0`, 'latin1')
      .digest();
  const signature = Buffer.alloc(16);
  signature.writeUInt32LE(VERSION);
  const sequence = Buffer.alloc(4);
  const checksum = hmacMd5(derived('signing'), sequence, message).subarray(0, 8);
  signature.set(keyExchange ? rc4(derived('sealing'), checksum) : checksum, 4);
  return signature;
}
