/** SMB2 IOCTL with FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2 2.2.31.4, 2.2.32.6). */
import { DIALECTS } from '../crypto/algorithms.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';
import type { NegotiateOffer } from './negotiate.ts';

const FSCTL_VALIDATE_NEGOTIATE_INFO = 0x00140204;
const FLAG_IS_FSCTL = 0x00000001;
const FIXED = 56;
const OUTPUT_LENGTH = 24;
/** An IOCTL that is about no file has this file id. */
const NO_FILE = Buffer.alloc(16, 0xff);

/** What the client offered, told again under a signature. */
export function encodeValidateNegotiateRequest(offer: NegotiateOffer): Buffer {
  const inputLength = 24 + DIALECTS.length * 2;
  const writer = new Writer(FIXED + inputLength)
    .u16(FIXED + 1)
    .u16(0)
    .u32(FSCTL_VALIDATE_NEGOTIATE_INFO)
    .bytes(NO_FILE)
    .u32(HEADER_LENGTH + FIXED)
    .u32(inputLength)
    .u32(0)
    .u32(0)
    .u32(0)
    .u32(OUTPUT_LENGTH)
    .u32(FLAG_IS_FSCTL)
    .u32(0)
    .u32(offer.capabilities)
    .bytes(offer.clientGuid)
    .u16(offer.securityMode)
    .u16(DIALECTS.length);
  for (const dialect of [...DIALECTS].reverse()) writer.u16(dialect);
  return writer.done();
}

export interface ValidatedNegotiation {
  readonly capabilities: number;
  readonly serverGuid: Buffer;
  readonly securityMode: number;
  readonly dialect: number;
}

/** What the server answered, as it says itself. @throws SmbError `MALFORMED` */
export function decodeValidateNegotiateResponse(message: Buffer): ValidatedNegotiation {
  const body = bodyReader(message, 'the answer to IOCTL')
    .structureSize(49)
    .skip(2 + 4 + 16 + 4 + 4);
  const offset = body.u32();
  const reader = new Reader(body.slice(offset, body.u32()), 'the answer to VALIDATE_NEGOTIATE_INFO');
  return {
    capabilities: reader.u32(),
    serverGuid: reader.bytes(16),
    securityMode: reader.u16(),
    dialect: reader.u16(),
  };
}
