/** SMB2 SESSION_SETUP and LOGOFF (MS-SMB2 2.2.5 to 2.2.8). */
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

/** SessionFlags (MS-SMB2 2.2.6). */
export const SESSION_IS_GUEST = 0x0001;
export const SESSION_IS_NULL = 0x0002;
export const SESSION_ENCRYPTS = 0x0004;

const FIXED = 24;

export interface SessionSetup {
  /** Of SPNEGO. */
  readonly token: Buffer;
  readonly securityMode: number;
  /** A session of this client whose connection was lost: the server closes what it had open. 0: none. */
  readonly previousSessionId: bigint;
}

export function encodeSessionSetupRequest({ token, securityMode, previousSessionId }: SessionSetup): Buffer {
  return new Writer(FIXED + token.length)
    .u16(FIXED + 1)
    .u8(0)
    .u8(securityMode)
    .u32(0)
    .u32(0)
    .u16(HEADER_LENGTH + FIXED)
    .u16(token.length)
    .u64(previousSessionId)
    .bytes(token)
    .done();
}

export interface SessionSetupResponse {
  readonly flags: number;
  /** Of SPNEGO. */
  readonly token: Buffer;
}

/** @throws SmbError `MALFORMED` */
export function decodeSessionSetupResponse(message: Buffer): SessionSetupResponse {
  const reader = bodyReader(message, 'the answer to SESSION_SETUP').structureSize(9);
  const flags = reader.u16();
  const offset = reader.u16();
  return { flags, token: reader.slice(offset, reader.u16()) };
}

/** LOGOFF, TREE_DISCONNECT, ECHO and CANCEL have a body of this one form (MS-SMB2 2.2.7, 2.2.11, 2.2.28, 2.2.30). */
export function encodeEmptyRequest(): Buffer {
  return new Writer(4).u16(4).u16(0).done();
}
