/** NTLMv2 and SPNEGO: published examples, and tokens that a server should not send. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { context, der, derElements, TAG_OID, TAG_SEQUENCE } from '../../src/smb/der.ts';
import { SmbError } from '../../src/smb/errors.ts';
import { decodeAvPairs, encodeAvPairs } from '../../src/smb/ntlm/av-pairs.ts';
import { NtlmLogon } from '../../src/smb/ntlm/logon.ts';
import { decodeChallenge, MIC_OFFSET } from '../../src/smb/ntlm/messages.ts';
import { hmacMd5, ntlmV2Response, responseKey } from '../../src/smb/ntlm/response.ts';
import { firstSignature } from '../../src/smb/ntlm/mic.ts';
import {
  decodeNegTokenResp,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECHANISMS,
} from '../../src/smb/spnego.ts';
import { hex, PREAUTH_EXCHANGE } from './vectors.ts';

/** MS-NLMP 4.2.1, 4.2.4. */
const ACCOUNT = { user: 'User', password: 'Password', domain: 'Domain' };
const CHALLENGE = hex(
  '4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef000000000000000024002400440000000600' +
    '70170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600650072' +
    '0000000000',
);
const TARGET_INFO = hex('02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000');

/** The server's challenge of Microsoft's SMB 3.1.1 example, which has a time stamp. */
const STAMPED = decodeNegTokenResp(PREAUTH_EXCHANGE[3].message.subarray(72)).response!;

function logonTo(challenge: Buffer): { message: Buffer; sessionKey: Buffer } {
  const entropy = {
    random: (length: number) => Buffer.alloc(length, length === 8 ? 0xaa : 0x55),
    now: () => -11_644_473_600_000,
  };
  return new NtlmLogon(ACCOUNT, 'cifs/server', entropy).answer(challenge);
}

/** Of AUTHENTICATE (MS-NLMP 2.2.1.3), by the position of its descriptor. */
function field(message: Buffer, position: number): Buffer {
  const offset = message.readUInt32LE(position + 4);
  return message.subarray(offset, offset + message.readUInt16LE(position));
}

describe('SMB log-on', () => {
  describe('NTLMv2', () => {
    it('proves the password as in MS-NLMP 4.2.4', () => {
      const key = responseKey(ACCOUNT);
      assert.equal(key.toString('hex'), '0c868a403bfd7a93a3001ef22ef02e3f');
      const response = ntlmV2Response(key, {
        serverChallenge: hex('0123456789abcdef'),
        clientChallenge: Buffer.alloc(8, 0xaa),
        time: 0n,
        targetInfo: TARGET_INFO,
      });
      assert.equal(response.nt.subarray(0, 16).toString('hex'), '68cd0ab851e51c96aabc927bebef6a1c');
      assert.equal(response.lm.toString('hex'), '86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa');
      assert.equal(response.sessionBaseKey.toString('hex'), '8de40ccadbc14a82f15cb0ad0de95ca3');
    });

    it('takes a user’s name in any case, letter for letter', () => {
      const keys = ['jörg straße', 'JÖRG STRAßE', 'Jörg Strasse'].map((user) =>
        responseKey({ ...ACCOUNT, user }),
      );
      assert.deepEqual(keys[0], keys[1]);
      assert.notDeepEqual(keys[0], keys[2]);
    });

    it('answers the challenge of MS-NLMP 4.2.4.3 with the responses and the wrapped key that are given there', () => {
      const { message, sessionKey } = logonTo(CHALLENGE);
      assert.equal(field(message, 12).toString('hex'), '86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa');
      assert.equal(
        field(message, 20).toString('hex'),
        '68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000' +
          `${TARGET_INFO.toString('hex')}00000000`,
      );
      assert.equal(field(message, 28).toString('utf16le'), 'Domain');
      assert.equal(field(message, 36).toString('utf16le'), 'User');
      assert.equal(field(message, 52).toString('hex'), 'c5dad2544fc9799094ce1ce90bc9d03e');
      assert.deepEqual(sessionKey, Buffer.alloc(16, 0x55));
    });

    it('puts a MIC over all three messages where the server sends a time, and no LM response', () => {
      const { message, sessionKey } = logonTo(STAMPED);
      const mic = Buffer.from(message.subarray(MIC_OFFSET, MIC_OFFSET + 16));
      message.fill(0, MIC_OFFSET, MIC_OFFSET + 16);
      const first = new NtlmLogon(ACCOUNT, 'cifs/server').first();
      assert.deepEqual(mic, hmacMd5(sessionKey, first, STAMPED, message));
      assert.deepEqual(field(message, 12), Buffer.alloc(24));
      const pairs = decodeAvPairs(field(message, 20).subarray(16 + 28));
      assert.equal(pairs.find(({ id }) => id === 6)?.value.readUInt32LE(), 2);
      assert.equal(pairs.find(({ id }) => id === 9)?.value.toString('utf16le'), 'cifs/server');
      assert.equal(pairs.find(({ id }) => id === 10)?.value.length, 16);
      assert.deepEqual(pairs.find(({ id }) => id === 7)?.value, hex('A1A1F5ADCBAED001'));
    });

    it('refuses a server that offers no 128-bit session security', () => {
      const weak = Buffer.from(CHALLENGE);
      weak.writeUInt32LE((weak.readUInt32LE(20) & ~0x20000000) >>> 0, 20);
      assert.throws(() => logonTo(weak), { code: 'UNSUPPORTED' });
    });

    it('refuses a cut or changed challenge by name, or answers it, but never breaks', () => {
      fc.assert(
        fc.property(
          fc.nat(STAMPED.length - 1),
          fc.nat(STAMPED.length - 1),
          fc.nat(255),
          (length, at, byte) => {
            const changed = Buffer.from(STAMPED);
            changed[at] = byte;
            for (const challenge of [changed, STAMPED.subarray(0, length)]) {
              try {
                logonTo(challenge);
              } catch (error) {
                assert.ok(error instanceof SmbError, String(error));
              }
            }
          },
        ),
      );
      assert.throws(() => decodeChallenge(STAMPED.subarray(0, 100)), { code: 'MALFORMED' });
    });

    it('reads the target information that it writes', () => {
      const pair = fc
        .tuple(fc.integer({ min: 1, max: 10 }), fc.uint8Array({ maxLength: 30 }))
        .map(([id, bytes]) => ({ id, value: Buffer.from(bytes) }));
      fc.assert(
        fc.property(fc.array(pair, { maxLength: 32 }), (pairs) => {
          assert.deepEqual(decodeAvPairs(encodeAvPairs(pairs)), pairs);
        }),
      );
      const many = Array.from({ length: 33 }, () => ({ id: 1, value: Buffer.alloc(0) }));
      assert.throws(() => decodeAvPairs(encodeAvPairs(many)), { code: 'MALFORMED' });
    });
  });

  describe('SPNEGO', () => {
    it('frames the first message as Windows does', () => {
      const token = PREAUTH_EXCHANGE[2].message.subarray(88);
      assert.deepEqual(encodeNegTokenInit(token.subarray(-40)), token);
    });

    it('finds the message in a server’s token, whatever its length', () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 70_000 }), (length) => {
          const message = Buffer.alloc(length, 7);
          const token = { response: message, mechListMic: message.subarray(0, 16) };
          assert.deepEqual(decodeNegTokenResp(encodeNegTokenResp(token)), token);
        }),
        { numRuns: 30, examples: [[0], [127], [128], [255], [256], [65_535], [65_536]] },
      );
    });

    it('signs the list of mechanisms as in Microsoft’s example, in both directions', () => {
      const key = { sessionKey: hex('270E1BA896585EEB7AF3472D3B4C75A7'), keyExchange: true };
      const ours = decodeNegTokenResp(PREAUTH_EXCHANGE[4].message.subarray(88)).mechListMic;
      assert.deepEqual(firstSignature(MECHANISMS, key, 'client-to-server'), ours);
      const theirs = decodeNegTokenResp(hex('A11B3019A0030A0100A3120410010000003B453CDC3524164200000000'));
      assert.deepEqual(firstSignature(MECHANISMS, key, 'server-to-client'), theirs.mechListMic);
    });

    it('takes a final token without a message, and refuses a rejection and another mechanism', () => {
      const last = decodeNegTokenResp(hex('a1073005a0030a0100'));
      assert.deepEqual(last, { response: undefined, mechListMic: undefined });
      assert.throws(() => decodeNegTokenResp(hex('a1073005a0030a0102')), { code: 'UNSUPPORTED' });
      const kerberos = hex('2a864886f712010202');
      const other = der(context(1), der(TAG_SEQUENCE, der(context(1), der(TAG_OID, kerberos))));
      assert.throws(() => decodeNegTokenResp(other), { code: 'UNSUPPORTED' });
    });

    it('refuses any bytes that are no token by name', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
          for (const token of [Buffer.from(bytes), Buffer.concat([hex('a107'), Buffer.from(bytes)])]) {
            try {
              derElements(token);
              decodeNegTokenResp(token);
            } catch (error) {
              assert.ok(error instanceof SmbError, String(error));
            }
          }
        }),
        { numRuns: 500 },
      );
    });
  });
});
