/** SMB2 TREE_CONNECT (MS-SMB2 2.2.9, 2.2.10). */
import { encodeText } from '../wire/text.ts';
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

export const SHARE_TYPE_DISK = 0x01;
/** ShareFlags: everything on this share is encrypted. */
export const SHARE_ENCRYPTS = 0x00008000;

const FIXED = 8;

/** `path`: `\\host\share`. */
export function encodeTreeConnectRequest(path: string): Buffer {
  const name = encodeText(path);
  return new Writer(FIXED + name.length)
    .u16(FIXED + 1)
    .u16(0)
    .u16(HEADER_LENGTH + FIXED)
    .u16(name.length)
    .bytes(name)
    .done();
}

export interface TreeConnectResponse {
  readonly shareType: number;
  readonly shareFlags: number;
}

/** @throws SmbError `MALFORMED` */
export function decodeTreeConnectResponse(message: Buffer): TreeConnectResponse {
  const reader = bodyReader(message, 'the answer to TREE_CONNECT').structureSize(16);
  const shareType = reader.u8();
  return { shareType, shareFlags: reader.skip(1).u32() };
}
