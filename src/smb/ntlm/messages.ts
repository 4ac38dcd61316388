/** The three messages of an NTLM log-on (MS-NLMP 2.2.1). */
import { malformed } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

const SIGNATURE = Buffer.from('NTLMSSP\0', 'latin1');
const VERSION_LENGTH = 8;
/** Where AUTHENTICATE's payload begins: its fields, version and MIC. */
const PAYLOAD = 88;
export const MIC_OFFSET = 72;
export const MIC_LENGTH = 16;

/** NegotiateFlags (MS-NLMP 2.2.2.5). */
export const NTLM_FLAGS = {
  unicode: 0x00000001,
  requestTarget: 0x00000004,
  sign: 0x00000010,
  ntlm: 0x00000200,
  alwaysSign: 0x00008000,
  extendedSecurity: 0x00080000,
  targetInfo: 0x00800000,
  version: 0x02000000,
  key128: 0x20000000,
  keyExchange: 0x40000000,
} as const;

/** What the client asks for. */
export const WANTED_FLAGS = Object.values(NTLM_FLAGS).reduce((all, flag) => all | flag, 0) >>> 0;
/** Without these there is no NTLMv2 and no key worth signing with. */
export const NEEDED_FLAGS =
  (NTLM_FLAGS.unicode | NTLM_FLAGS.extendedSecurity | NTLM_FLAGS.targetInfo | NTLM_FLAGS.key128) >>> 0;

export interface Challenge {
  readonly flags: number;
  readonly serverChallenge: Buffer;
  /** An AV_PAIR list, not decoded. */
  readonly targetInfo: Buffer;
}

export interface Authenticate {
  readonly flags: number;
  readonly lm: Buffer;
  readonly nt: Buffer;
  readonly domain: Buffer;
  readonly user: Buffer;
  readonly workstation: Buffer;
  readonly encryptedSessionKey: Buffer;
}

/** VERSION (MS-NLMP 2.2.2.10): for debugging only; revision 15 is the one of NTLMSSP. */
function version(): Buffer {
  return Buffer.from([10, 0, 0, 0, 0, 0, 0, 15]);
}

/** NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1), with no domain and no workstation. */
export function encodeNegotiate(flags: number): Buffer {
  return new Writer(32 + VERSION_LENGTH)
    .bytes(SIGNATURE)
    .u32(1)
    .u32(flags)
    .u64(0)
    .u64(0)
    .bytes(version())
    .done();
}

/** CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2). @throws SmbError `MALFORMED` */
export function decodeChallenge(message: Buffer): Challenge {
  const reader = new Reader(message, 'the log-on’s challenge');
  if (!reader.bytes(8).equals(SIGNATURE) || reader.u32() !== 2) throw malformed('it is no NTLM challenge');
  const flags = reader.skip(8).u32();
  const serverChallenge = Buffer.from(reader.bytes(8));
  const length = reader.skip(8).u16();
  const offset = reader.skip(2).u32();
  return { flags, serverChallenge, targetInfo: Buffer.from(reader.slice(offset, length)) };
}

/** AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3), the MIC zero. */
export function encodeAuthenticate(fields: Authenticate): Buffer {
  // In the order of their descriptors.
  const parts = [
    fields.lm,
    fields.nt,
    fields.domain,
    fields.user,
    fields.workstation,
    fields.encryptedSessionKey,
  ];
  const size = parts.reduce((sum, part) => sum + part.length, PAYLOAD);
  const writer = new Writer(size).bytes(SIGNATURE).u32(3);
  let offset = PAYLOAD;
  for (const part of parts) {
    writer.u16(part.length).u16(part.length).u32(offset);
    offset += part.length;
  }
  writer.u32(fields.flags).bytes(version()).zeros(MIC_LENGTH);
  for (const part of parts) writer.bytes(part);
  return writer.done();
}
