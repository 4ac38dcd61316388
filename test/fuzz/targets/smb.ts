/** What an SMB server that is not trusted sends: frames, messages, log-on tokens, encrypted messages. */
import assert from 'node:assert/strict';
import { Encryption, TRANSFORM_HEADER_LENGTH } from '../../../src/smb/crypto/encryption.ts';
import { CIPHERS, type CipherName } from '../../../src/smb/crypto/algorithms.ts';
import { der, derElements } from '../../../src/smb/der.ts';
import { SmbError } from '../../../src/smb/errors.ts';
import { decodeCreateResponse } from '../../../src/smb/messages/create.ts';
import { decodeHeader } from '../../../src/smb/messages/header.ts';
import { decodeReadResponse, decodeWriteResponse } from '../../../src/smb/messages/io.ts';
import { decodeValidateNegotiateResponse } from '../../../src/smb/messages/ioctl.ts';
import {
  CAPABILITY_ENCRYPTION,
  decodeNegotiateResponse,
  type NegotiateOffer,
} from '../../../src/smb/messages/negotiate.ts';
import { decodeQueryDirectoryResponse, decodeSizeResponse } from '../../../src/smb/messages/query.ts';
import { decodeSessionSetupResponse } from '../../../src/smb/messages/session-setup.ts';
import { decodeTreeConnectResponse } from '../../../src/smb/messages/tree.ts';
import { NtlmLogon } from '../../../src/smb/ntlm/logon.ts';
import { decodeNegTokenResp, encodeNegTokenResp } from '../../../src/smb/spnego.ts';
import { FrameReader } from '../../../src/smb/wire/frames.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';

const CODES: readonly string[] = ['MALFORMED', 'UNSUPPORTED', 'INTEGRITY'];
/** In an input's first byte: zeros follow a challenge, for its lengths and offsets to point to. */
const PADDED = 0x80;
/** Among the parsers. */
const LOG_ON = 12;
const PADDING = Buffer.alloc(70_000);
const READ_MAX = 100;
const FRAME_LIMIT = 2048;

const OFFER: NegotiateOffer = {
  clientGuid: Buffer.alloc(16, 1),
  capabilities: CAPABILITY_ENCRYPTION,
  securityMode: 3,
  salt: Buffer.alloc(32, 2),
  host: 'bern',
  ciphers: CIPHERS,
};

type Parse = (bytes: Buffer) => void;

const PARSERS: readonly Parse[] = [
  (bytes) => decodeHeader(bytes),
  (bytes) => assert.equal(decodeCreateResponse(bytes).fileId.length, 16),
  (bytes) => assert.ok(decodeReadResponse(bytes, READ_MAX).length <= READ_MAX),
  (bytes) => decodeWriteResponse(bytes),
  (bytes) => decodeValidateNegotiateResponse(bytes),
  (bytes) => decodeNegotiateResponse(bytes, OFFER),
  (bytes) => assert.ok(Number.isSafeInteger(decodeSizeResponse(bytes))),
  (bytes) => {
    for (const { size } of decodeQueryDirectoryResponse(bytes)) assert.ok(Number.isSafeInteger(size));
  },
  (bytes) => decodeSessionSetupResponse(bytes),
  (bytes) => decodeTreeConnectResponse(bytes),
  (bytes) => {
    const token = decodeNegTokenResp(bytes);
    assert.deepEqual(decodeNegTokenResp(encodeNegTokenResp(token)), token);
  },
  (bytes) => {
    const elements = derElements(bytes);
    const again = Buffer.concat(elements.map(({ tag, content }) => der(tag, content)));
    assert.deepEqual(derElements(again), elements);
  },
  logOn,
  decrypt,
  frames,
];

export function smbTarget(): FuzzTarget {
  return {
    seeds: seeds(),
    lengthMax: 4096,
    dictionary: ['NTLMSSP\0', '\xfeSMB', '\xfdSMB'].map((word) => Buffer.from(word, 'latin1')),
    memory: (input) => 4 * MIB + 128 * input.length,
    run(input) {
      const first = input[0] ?? 0;
      const kind = (first & ~PADDED) % PARSERS.length;
      const isPadded = kind === LOG_ON && (first & PADDED) !== 0;
      try {
        PARSERS[kind]?.(isPadded ? Buffer.concat([input.subarray(1), PADDING]) : input.subarray(1));
      } catch (error) {
        if (!(error instanceof SmbError) || !CODES.includes(error.code)) throw error;
      }
    },
  };
}

function logOn(bytes: Buffer): void {
  const account = { user: 'oracle', password: 'secret', domain: 'BERN' };
  const entropy = { random: (length: number) => Buffer.alloc(length, 3), now: () => 1_790_000_000_000 };
  const { message, sessionKey } = new NtlmLogon(account, 'cifs/bern', entropy).answer(bytes);
  assert.equal(message.toString('latin1', 0, 7), 'NTLMSSP');
  assert.equal(sessionKey.length, 16);
}

/** An encrypted message as it came; and what follows its header, encrypted rightly. */
function decrypt(bytes: Buffer): void {
  const cipher: CipherName = CIPHERS[(bytes[0] ?? 0) % CIPHERS.length] ?? 'AES-128-GCM';
  const key = Buffer.alloc(cipher.includes('256') ? 32 : 16, 4);
  const encryption = new Encryption({ cipher, sessionId: 7n, sending: key, receiving: key });
  const plain = bytes.subarray(1);
  const message = Buffer.concat(encryption.encrypt([plain]));
  assert.ok(encryption.decrypt(message).equals(plain));
  if (plain.length >= TRANSFORM_HEADER_LENGTH) encryption.decrypt(plain);
}

/** However what comes is cut, the same frames come out. */
function frames(bytes: Buffer): void {
  const stream = bytes.subarray(1);
  const whole = collect(stream, stream.length);
  const cut = collect(stream, 1 + ((bytes[0] ?? 0) % 16));
  assert.deepEqual(cut, whole);
}

function collect(stream: Buffer, piece: number): (Buffer | string)[] {
  const reader = new FrameReader(FRAME_LIMIT);
  const found: (Buffer | string)[] = [];
  try {
    for (let at = 0; at < stream.length; at += piece) {
      for (const frame of reader.push(Buffer.from(stream.subarray(at, at + piece))))
        found.push(Buffer.from(frame));
    }
  } catch (error) {
    assert.ok(error instanceof SmbError);
    found.push(error.code);
  }
  // What came before a bad length in the same piece is not told; the connection ends either way.
  return found.includes('MALFORMED') ? ['MALFORMED'] : found;
}

function seeds(): Buffer[] {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(0x424d53fe, 0);
  header.writeUInt16LE(64, 4);
  header.writeUInt32LE(1, 16);
  const sizes = [64, 89, 17, 17, 49, 65, 9, 9, 9, 16];
  const bodies = sizes.map((size, kind) => {
    const body = Buffer.alloc(128);
    body.writeUInt16LE(size, 0);
    // Where these answers say that their buffer is.
    if (kind === 2) body.writeUInt8(80, 2);
    if (kind === 5) body.writeUInt16LE(0x0311, 4);
    if (kind >= 6) body.writeUInt16LE(72, 2);
    return Buffer.concat([Buffer.from([kind]), header, body]);
  });
  const token = encodeNegTokenResp({ response: Buffer.from('challenge'), mechListMic: Buffer.alloc(16) });
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('abc')]);
  return [
    ...bodies,
    Buffer.concat([Buffer.from([10]), token]),
    Buffer.concat([Buffer.from([11]), token]),
    Buffer.concat([
      Buffer.from([12]),
      challenge(Buffer.from('0200080042004500520041000700080000c0653150de090100000000', 'hex')),
    ]),
    Buffer.concat([Buffer.from([LOG_ON | PADDED]), challenge(Buffer.from('0200e0ff', 'hex'), 0xffff)]),
    ...CIPHERS.map((_, i) => Buffer.concat([Buffer.from([13, i]), header])),
    Buffer.concat([Buffer.from([14, 2]), frame, frame]),
  ];
}

/** CHALLENGE_MESSAGE with a list of pairs. */
function challenge(info: Buffer, length = info.length): Buffer {
  const message = Buffer.alloc(56);
  message.write('NTLMSSP\0', 'latin1');
  message.writeUInt32LE(2, 8);
  message.writeUInt32LE(0xe28a8215, 20);
  message.writeUInt16LE(length, 40);
  message.writeUInt32LE(56, 44);
  return Buffer.concat([message, info]);
}
