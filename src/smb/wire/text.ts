import { malformed } from '../errors.ts';

/** Strings are UTF-16, little-endian, without a terminator (MS-SMB2 2.2, MS-NLMP 2.2). */
export function encodeText(text: string): Buffer {
  return Buffer.from(text, 'utf16le');
}

/** @throws SmbError `MALFORMED` for half a character */
export function decodeText(bytes: Buffer): string {
  if (bytes.length % 2 !== 0) throw malformed(`a string of ${bytes.length} bytes`);
  return bytes.toString('utf16le');
}
