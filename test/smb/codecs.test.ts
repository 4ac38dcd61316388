/** What goes over the wire: read as it was written, and whatever else comes is refused by name. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { creditCharge, Credits } from '../../src/smb/credits.ts';
import { CIPHERS, DIALECT_300, DIALECT_311 } from '../../src/smb/crypto/algorithms.ts';
import { SmbError } from '../../src/smb/errors.ts';
import { CREDITS_WANTED, FRAME_MAX } from '../../src/smb/limits.ts';
import { decodeCreateResponse } from '../../src/smb/messages/create.ts';
import { decodeHeader, HEADER_LENGTH } from '../../src/smb/messages/header.ts';
import { decodeReadResponse, decodeWriteResponse } from '../../src/smb/messages/io.ts';
import { decodeValidateNegotiateResponse } from '../../src/smb/messages/ioctl.ts';
import { decodeNegotiateResponse, encodeNegotiateRequest } from '../../src/smb/messages/negotiate.ts';
import { decodeQueryDirectoryResponse, decodeSizeResponse } from '../../src/smb/messages/query.ts';
import { decodeSessionSetupResponse } from '../../src/smb/messages/session-setup.ts';
import { decodeTreeConnectResponse } from '../../src/smb/messages/tree.ts';
import { frameHeader, FrameReader } from '../../src/smb/wire/frames.ts';
import { PREAUTH_EXCHANGE, SMB300, SMB311 } from './vectors.ts';

const OFFER = {
  clientGuid: Buffer.alloc(16, 7),
  capabilities: 0x44,
  securityMode: 3,
  salt: Buffer.alloc(32, 8),
  host: 'server',
  ciphers: CIPHERS,
};
const WINDOWS_NEGOTIATE = PREAUTH_EXCHANGE[1].message;

/** A QUERY_DIRECTORY answer as servers make it (MS-FSCC 2.4.10), each entry at a multiple of 8. */
function listing(names: readonly string[]): Buffer {
  const entries = names.map((name, index) => {
    const text = Buffer.from(name, 'utf16le');
    const length = 64 + text.length;
    const entry = Buffer.alloc(index === names.length - 1 ? length : Math.ceil(length / 8) * 8);
    if (index < names.length - 1) entry.writeUInt32LE(entry.length);
    entry.writeBigUInt64LE(BigInt(index), 40);
    entry.writeUInt32LE(text.length, 60);
    text.copy(entry, 64);
    return entry;
  });
  const output = Buffer.concat(entries);
  const body = Buffer.alloc(8);
  body.writeUInt16LE(9);
  body.writeUInt16LE(HEADER_LENGTH + 8, 2);
  body.writeUInt32LE(output.length, 4);
  return Buffer.concat([Buffer.alloc(HEADER_LENGTH), body, output]);
}

const DECODERS: Readonly<Record<string, (message: Buffer) => unknown>> = {
  header: decodeHeader,
  negotiate: (message) => decodeNegotiateResponse(message, OFFER),
  sessionSetup: decodeSessionSetupResponse,
  treeConnect: decodeTreeConnectResponse,
  create: decodeCreateResponse,
  read: (message) => decodeReadResponse(message, 100),
  write: decodeWriteResponse,
  size: decodeSizeResponse,
  directory: decodeQueryDirectoryResponse,
  ioctl: decodeValidateNegotiateResponse,
};

describe('SMB messages', () => {
  it('of Windows are read as Microsoft’s examples have them', () => {
    const negotiated = decodeNegotiateResponse(WINDOWS_NEGOTIATE, OFFER);
    assert.equal(negotiated.dialect, DIALECT_311);
    // Before signing could be chosen.
    assert.deepEqual([negotiated.cipher, negotiated.signing], ['AES-128-GCM', 'AES-CMAC']);
    assert.deepEqual([negotiated.maxWrite, negotiated.maxRead], [8 << 20, 8 << 20]);
    assert.equal(decodeWriteResponse(SMB311.plainResponse), 'Smb3 encryption testing'.length);
    const header = decodeHeader(SMB300.plainResponse);
    assert.deepEqual([header.credits, header.messageId, header.sessionId], [33, 4n, SMB300.sessionId]);
  });

  it('offer all dialects, ciphers and signing algorithms, each context at a multiple of 8', () => {
    const body = encodeNegotiateRequest(OFFER);
    const dialects = Array.from({ length: body.readUInt16LE(2) }, (_, index) =>
      body.readUInt16LE(36 + index * 2),
    );
    assert.deepEqual(dialects, [0x0210, 0x0300, 0x0302, 0x0311]);
    const types: number[] = [];
    let position = body.readUInt32LE(28) - HEADER_LENGTH;
    for (let count = body.readUInt16LE(32); count > 0; count--) {
      assert.equal((position + HEADER_LENGTH) % 8, 0);
      types.push(body.readUInt16LE(position));
      position =
        Math.ceil((position + HEADER_LENGTH + 8 + body.readUInt16LE(position + 2)) / 8) * 8 - HEADER_LENGTH;
    }
    assert.deepEqual(types, [1, 2, 8, 5]);
  });

  it('may not choose what was not offered', () => {
    const choosing = (change: (message: Buffer) => void, ciphers = CIPHERS): (() => unknown) => {
      const message = Buffer.from(WINDOWS_NEGOTIATE);
      change(message);
      return () => decodeNegotiateResponse(message, { ...OFFER, ciphers });
    };
    const dialectAt = HEADER_LENGTH + 4;
    assert.throws(
      choosing((message) => message.writeUInt16LE(0x0202, dialectAt)),
      { code: 'UNSUPPORTED' },
    );
    assert.throws(
      choosing((message) => message.writeUInt16LE(0x02ff, dialectAt)),
      { code: 'UNSUPPORTED' },
    );
    assert.throws(
      choosing((message) => message.writeUInt16LE(9, message.length - 2)),
      { code: 'MALFORMED' },
    );
    assert.throws(
      choosing(() => undefined, ['AES-256-GCM']),
      { code: 'MALFORMED' },
    );
    const older = choosing((message) => message.writeUInt16LE(DIALECT_300, dialectAt))() as {
      cipher: unknown;
    };
    // The capability was not set in this answer.
    assert.equal(older.cipher, undefined);
  });

  it('of a server without multi-credit requests allow no more than one credit pays for', () => {
    const message = Buffer.from(WINDOWS_NEGOTIATE);
    const capabilitiesAt = HEADER_LENGTH + 24;
    message.writeUInt32LE(message.readUInt32LE(capabilitiesAt) & ~0x04, capabilitiesAt);
    const { maxTransact, maxRead, maxWrite } = decodeNegotiateResponse(message, OFFER);
    assert.deepEqual([maxTransact, maxRead, maxWrite], [65_536, 65_536, 65_536]);
  });

  it('list names as they were listed', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 40, unit: 'binary' })
      .filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 20 }), (names) => {
        const entries = decodeQueryDirectoryResponse(listing(names));
        assert.deepEqual(
          entries.map((entry) => entry.name),
          names,
        );
        assert.deepEqual(
          entries.map((entry) => entry.size),
          names.map((_, index) => index),
        );
      }),
    );
  });

  it('that point into themselves or out of themselves are refused', () => {
    const looped = listing(['a', 'b']);
    looped.writeUInt32LE(8, HEADER_LENGTH + 8);
    assert.throws(() => decodeQueryDirectoryResponse(looped), { code: 'MALFORMED' });
    const outside = listing(['a']);
    // One byte more than there is.
    outside.writeUInt32LE(outside.length - HEADER_LENGTH - 8 + 1, HEADER_LENGTH + 4);
    assert.throws(() => decodeQueryDirectoryResponse(outside), { code: 'MALFORMED' });
    const read = Buffer.alloc(HEADER_LENGTH + 16 + 101);
    read.writeUInt16LE(17, HEADER_LENGTH);
    read.writeUInt8(HEADER_LENGTH + 16, HEADER_LENGTH + 2);
    read.writeUInt32LE(101, HEADER_LENGTH + 4);
    assert.throws(() => decodeReadResponse(read, 100), { code: 'MALFORMED' });
    assert.equal(decodeReadResponse(read, 101).length, 101);
  });

  for (const [name, decode] of Object.entries(DECODERS)) {
    it(`decoding ${name}: any bytes are read, or refused by name`, () => {
      const survives = (message: Buffer): void => {
        try {
          decode(message);
        } catch (error) {
          assert.ok(error instanceof SmbError, String(error));
        }
      };
      const body = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
      fc.assert(
        fc.property(body, fc.constantFrom(65, 9, 16, 89, 17, 49), (bytes, structureSize) => {
          const message = Buffer.concat([Buffer.alloc(HEADER_LENGTH + 2), bytes]);
          message.writeUInt16LE(structureSize, HEADER_LENGTH);
          survives(message);
          survives(bytes);
        }),
        { numRuns: 300 },
      );
      const valid = name === 'directory' ? listing(['one', 'two', 'three']) : WINDOWS_NEGOTIATE;
      fc.assert(
        fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, byte) => {
          const changed = Buffer.from(valid);
          changed[at] = byte;
          survives(changed);
          survives(valid.subarray(0, at));
        }),
        { numRuns: 300 },
      );
    });
  }
});

describe('SMB frames', () => {
  it('come out as they were sent, however the network cuts them', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 8 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent.flatMap((message) => [frameHeader(message.length), message]));
        const reader = new FrameReader(50);
        const got: Buffer[] = [];
        for (let position = 0, cut = 0; position < stream.length; cut++) {
          const length = cuts[cut % cuts.length]!;
          got.push(...reader.push(stream.subarray(position, position + length)));
          position += length;
        }
        assert.deepEqual(
          got,
          sent.map((message) => Buffer.from(message)),
        );
      }),
    );
  });

  it('of no length, or longer than is ever asked for, are refused before memory is taken', () => {
    for (const header of [frameHeader(0), frameHeader(FRAME_MAX + 1), Buffer.from('HTTP')]) {
      assert.throws(() => new FrameReader(FRAME_MAX).push(header), { code: 'MALFORMED' });
    }
  });
});

describe('SMB credits', () => {
  it('are never overdrawn, pay for one message id each, and are asked for up to what is wanted', () => {
    const step = fc.record({ bytes: fc.nat(1 << 20), granted: fc.nat(40), answered: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const credits = new Credits();
        let available = 1;
        let next = 0n;
        const underWay: number[] = [];
        for (const { bytes, granted, answered } of steps) {
          const charge = creditCharge(bytes);
          const id = credits.take(charge);
          assert.equal(id, charge > available ? undefined : next);
          if (id !== undefined) {
            available -= charge;
            next += BigInt(charge);
            underWay.push(charge);
          }
          const settled = answered ? underWay.shift() : undefined;
          if (settled !== undefined) {
            credits.settle(settled);
            credits.grant(granted);
            available += granted;
          }
          const had = available + underWay.reduce((sum, each) => sum + each, 0);
          assert.equal(credits.payloadMax, Math.max(1, had) * 65_536);
          assert.equal(credits.wanted(1), 1 + Math.max(0, CREDITS_WANTED - had));
        }
      }),
    );
  });

  it('are taken for whole pieces of 64 KiB', () => {
    assert.deepEqual([0, 1, 65_536, 65_537, 1 << 20].map(creditCharge), [1, 1, 1, 2, 16]);
    const greedy = new Credits();
    assert.throws(() => greedy.grant(0xffff), { code: 'MALFORMED' });
  });
});
