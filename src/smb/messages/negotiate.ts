/** SMB2 NEGOTIATE (MS-SMB2 2.2.3, 2.2.4). */
import {
  CIPHER_IDS,
  CIPHERS,
  DIALECT_210,
  DIALECT_311,
  DIALECTS,
  isDialect,
  SIGNING_IDS,
  SIGNINGS,
  type CipherName,
  type Dialect,
  type SigningName,
} from '../crypto/algorithms.ts';
import { malformed, SmbError } from '../errors.ts';
import { CREDIT_BYTES } from '../limits.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { encodeText } from '../wire/text.ts';
import { bodyReader } from './body.ts';
import { HEADER_LENGTH } from './header.ts';

/** SecurityMode: both sides sign. */
export const SIGNING_ENABLED = 0x0001;
export const SIGNING_REQUIRED = 0x0002;

/** Capabilities (MS-SMB2 2.2.3). */
export const CAPABILITY_LARGE_MTU = 0x00000004;
export const CAPABILITY_ENCRYPTION = 0x00000040;

const CONTEXT_PREAUTH = 0x0001;
const CONTEXT_ENCRYPTION = 0x0002;
const CONTEXT_NETNAME = 0x0005;
const CONTEXT_SIGNING = 0x0008;
const HASH_SHA512 = 0x0001;
const SALT_LENGTH = 32;
/** A server answers those that it was sent; more is none. */
const CONTEXTS_MAX = 16;

export interface NegotiateOffer {
  readonly clientGuid: Buffer;
  readonly capabilities: number;
  readonly securityMode: number;
  /** Random, {@link SALT_LENGTH} bytes. */
  readonly salt: Buffer;
  /** As the user named it. */
  readonly host: string;
  readonly ciphers: readonly CipherName[];
}

export interface Negotiated {
  readonly dialect: Dialect;
  readonly securityMode: number;
  readonly serverGuid: Buffer;
  readonly capabilities: number;
  /** Bytes of one request, and of what it may ask for. */
  readonly maxTransact: number;
  readonly maxRead: number;
  readonly maxWrite: number;
  /** Undefined when none is common or the dialect has none. */
  readonly cipher: CipherName | undefined;
  readonly signing: SigningName;
}

interface NegotiateContext {
  readonly type: number;
  readonly data: Buffer;
}

export function encodeNegotiateRequest(offer: NegotiateOffer): Buffer {
  const fixed = 36 + DIALECTS.length * 2;
  const padding = paddingTo8(HEADER_LENGTH + fixed);
  const contexts = encodeContexts(offeredContexts(offer));
  const writer = new Writer(fixed + padding + contexts.length)
    .u16(36)
    .u16(DIALECTS.length)
    .u16(offer.securityMode)
    .u16(0)
    .u32(offer.capabilities)
    .bytes(offer.clientGuid)
    .u32(HEADER_LENGTH + fixed + padding)
    .u16(offeredContexts(offer).length)
    .u16(0);
  for (const dialect of [...DIALECTS].reverse()) writer.u16(dialect);
  return writer.zeros(padding).bytes(contexts).done();
}

function offeredContexts(offer: NegotiateOffer): NegotiateContext[] {
  return [
    {
      type: CONTEXT_PREAUTH,
      data: new Writer(6 + SALT_LENGTH).u16(1).u16(SALT_LENGTH).u16(HASH_SHA512).bytes(offer.salt).done(),
    },
    { type: CONTEXT_ENCRYPTION, data: encodeIds(offer.ciphers.map((name) => CIPHER_IDS[name])) },
    { type: CONTEXT_SIGNING, data: encodeIds(SIGNINGS.map((name) => SIGNING_IDS[name])) },
    { type: CONTEXT_NETNAME, data: encodeText(offer.host) },
  ];
}

/** SMB2_ENCRYPTION_CAPABILITIES and SMB2_SIGNING_CAPABILITIES have one form (MS-SMB2 2.2.3.1.2, 2.2.3.1.7). */
function encodeIds(ids: readonly number[]): Buffer {
  const writer = new Writer(2 + ids.length * 2).u16(ids.length);
  for (const id of ids) writer.u16(id);
  return writer.done();
}

function encodeContexts(contexts: readonly NegotiateContext[]): Buffer {
  const parts = contexts.map(({ type, data }, index) => {
    const padding = index === contexts.length - 1 ? 0 : paddingTo8(8 + data.length);
    return new Writer(8 + data.length + padding)
      .u16(type)
      .u16(data.length)
      .u32(0)
      .bytes(data)
      .zeros(padding)
      .done();
  });
  return Buffer.concat(parts);
}

/** @throws SmbError `MALFORMED`, or `UNSUPPORTED` when the server chose something that was not offered */
export function decodeNegotiateResponse(message: Buffer, offer: NegotiateOffer): Negotiated {
  const reader = bodyReader(message, 'the answer to NEGOTIATE').structureSize(65);
  const securityMode = reader.u16();
  const dialect = reader.u16();
  if (!isDialect(dialect)) {
    throw new SmbError(
      'UNSUPPORTED',
      `the server speaks none of SMB 3.1.1, 3.0.2, 3.0 and 2.1 (it chose 0x${dialect.toString(16)})`,
    );
  }
  const contextCount = reader.u16();
  const serverGuid = Buffer.from(reader.bytes(16));
  const capabilities = reader.u32();
  // Without it a request is worth one credit, whatever it carries (MS-SMB2 3.1.5.2).
  const limit = (capabilities & CAPABILITY_LARGE_MTU) === 0 ? CREDIT_BYTES : 0xffffffff;
  const maxTransact = Math.min(reader.u32(), limit);
  const maxRead = Math.min(reader.u32(), limit);
  const maxWrite = Math.min(reader.u32(), limit);
  const contextOffset = reader.skip(8 + 8 + 4).u32();
  const common = { dialect, securityMode, serverGuid, capabilities, maxTransact, maxRead, maxWrite };
  if (dialect !== DIALECT_311) {
    const encrypts = dialect !== DIALECT_210 && (capabilities & CAPABILITY_ENCRYPTION) !== 0;
    return {
      ...common,
      // 3.0 and 3.0.2 know this one cipher, and sign with CMAC alone (MS-SMB2 3.2.5.2).
      cipher: encrypts && offer.ciphers.includes('AES-128-CCM') ? 'AES-128-CCM' : undefined,
      signing: dialect === DIALECT_210 ? 'HMAC-SHA256' : 'AES-CMAC',
    };
  }
  if (contextCount > CONTEXTS_MAX) throw malformed(`${contextCount} negotiate contexts`);
  const contexts = decodeContexts(reader, contextOffset, contextCount);
  return { ...common, ...decodeChoices(contexts, offer) };
}

function decodeContexts(reader: Reader, offset: number, count: number): NegotiateContext[] {
  const contexts: NegotiateContext[] = [];
  let position = offset;
  for (let index = 0; index < count; index++) {
    const head = new Reader(reader.slice(position, 8), 'a negotiate context');
    const type = head.u16();
    const length = head.u16();
    contexts.push({ type, data: reader.slice(position + 8, length) });
    position += 8 + length + paddingTo8(length);
  }
  return contexts;
}

/** The server chooses one of each list (MS-SMB2 3.2.5.2). */
function decodeChoices(
  contexts: readonly NegotiateContext[],
  offer: NegotiateOffer,
): Pick<Negotiated, 'cipher' | 'signing'> {
  const find = (type: number): Buffer | undefined => contexts.find((context) => context.type === type)?.data;
  const preauth = find(CONTEXT_PREAUTH);
  if (preauth === undefined) throw malformed('SMB 3.1.1 without preauthentication integrity');
  const hash = new Reader(preauth, 'the preauthentication context');
  if (hash.u16() !== 1 || hash.skip(2).u16() !== HASH_SHA512) throw malformed('a hash that was not offered');
  const cipherId = chosen(find(CONTEXT_ENCRYPTION), 'cipher');
  const cipher = CIPHERS.find((name) => CIPHER_IDS[name] === cipherId);
  // 0 says that none of the offered ones will do.
  if (cipherId !== undefined && cipherId !== 0 && (cipher === undefined || !offer.ciphers.includes(cipher))) {
    throw malformed('a cipher that was not offered');
  }
  const signingId = chosen(find(CONTEXT_SIGNING), 'signing algorithm');
  if (signingId === undefined) return { cipher, signing: 'AES-CMAC' };
  const signing = SIGNINGS.find((name) => SIGNING_IDS[name] === signingId);
  if (signing === undefined) throw malformed('a signing algorithm that was not offered');
  return { cipher, signing };
}

function chosen(data: Buffer | undefined, what: string): number | undefined {
  if (data === undefined) return undefined;
  const reader = new Reader(data, `the context of the ${what}`);
  if (reader.u16() !== 1) throw malformed(`more than one ${what}`);
  return reader.u16();
}

function paddingTo8(length: number): number {
  return (8 - (length % 8)) % 8;
}
