/** The client's own cryptography against published examples. */
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { Cmac } from '../../src/smb/crypto/cmac.ts';
import { Encryption, type EncryptionKeys } from '../../src/smb/crypto/encryption.ts';
import { deriveSessionKeys } from '../../src/smb/crypto/keys.ts';
import { CIPHERS, DIALECT_210, DIALECT_300, DIALECT_311, keyBits } from '../../src/smb/crypto/algorithms.ts';
import { md4 } from '../../src/smb/crypto/md4.ts';
import { PreauthHash } from '../../src/smb/crypto/preauth.ts';
import { rc4 } from '../../src/smb/crypto/rc4.ts';
import { Signer } from '../../src/smb/crypto/signing.ts';
import { SmbError } from '../../src/smb/errors.ts';
import { hex, PREAUTH_EXCHANGE, SMB300, SMB311 } from './vectors.ts';

describe('SMB cryptography', () => {
  it('MD4 gives the digests of RFC 1320 A.5', () => {
    const digest = (text: string): string => md4(Buffer.from(text)).toString('hex');
    assert.equal(digest(''), '31d6cfe0d16ae931b73c59d7e0c089c0');
    assert.equal(digest('a'), 'bde52cb31de33e46245e05fbdbd6fb24');
    assert.equal(digest('message digest'), 'd9130a8164549fe818874806e1c7014b');
    assert.equal(digest('1234567890'.repeat(8)), 'e33b4ddc9c38f2199c3e7b164fcc0536');
  });

  it('RC4 gives the streams of RFC 6229 and the session key of MS-NLMP 4.2.4.2.3', () => {
    assert.equal(
      rc4(hex('0102030405'), Buffer.alloc(16)).toString('hex'),
      'b2396305f03dc027ccc3524a0a1118a8',
    );
    const wrapped = rc4(hex('8de40ccadbc14a82f15cb0ad0de95ca3'), Buffer.alloc(16, 0x55));
    assert.equal(wrapped.toString('hex'), 'c5dad2544fc9799094ce1ce90bc9d03e');
  });

  describe('AES-CMAC', () => {
    const cmac = new Cmac(createSecretKey(hex('2b7e151628aed2a6abf7158809cf4f3c')));
    const message = hex(
      '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
        '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
    );

    it('gives the codes of RFC 4493 4', () => {
      const code = (length: number): string => cmac.digest([message.subarray(0, length)]).toString('hex');
      assert.equal(code(0), 'bb1d6929e95937287fa37d129b756746');
      assert.equal(code(16), '070a16b46b4d4144f79bdd9dd04a287c');
      assert.equal(code(40), 'dfa66747de9ae63030ca32611497c827');
      assert.equal(code(64), '51f0bebf7e3b9d92fc49741779363cfe');
    });

    it('does not depend on how a message is cut into parts', () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (parts) => {
          const buffers = parts.map((part) => Buffer.from(part));
          assert.deepEqual(cmac.digest(buffers), cmac.digest([Buffer.concat(buffers)]));
        }),
      );
    });
  });

  describe('keys', () => {
    const noPreauth = Buffer.alloc(0);

    it('of SMB 3.0 are those of Microsoft’s example', () => {
      const sessionKey = hex('7CD451825D0450D235424E44BA6E78CC');
      const keys = deriveSessionKeys({
        dialect: DIALECT_300,
        sessionKey,
        preauth: noPreauth,
        cipher: 'AES-128-CCM',
      });
      assert.deepEqual(keys.signing, hex('0B7E9C5CAC36C0F6EA9AB275298CEDCE'));
      assert.deepEqual(keys.sending, hex('FAD27796665B313EBB578F388632B4F7'));
      assert.deepEqual(keys.receiving, hex('B0F0427F7CEB416D1D9DCC0CD4F99447'));
    });

    it('of SMB 3.1.1 are those of Microsoft’s example, from the hash over its log-on', () => {
      let preauth = new PreauthHash();
      for (const { message, hash } of PREAUTH_EXCHANGE) {
        preauth = preauth.with([message]);
        assert.deepEqual(preauth.value, hash);
      }
      const sessionKey = hex('270E1BA896585EEB7AF3472D3B4C75A7');
      const keys = deriveSessionKeys({
        dialect: DIALECT_311,
        sessionKey,
        preauth: preauth.value,
        cipher: 'AES-128-GCM',
      });
      assert.deepEqual(keys.signing, hex('73FE7A9A77BEF0BDE49C650D8CCB5F76'));
      assert.deepEqual(keys.sending, hex('629BCBC54422A0F572B97F45989B6073'));
      assert.deepEqual(keys.receiving, hex('E2AF0DCEFAC68DA71A0DFBD0D1350D74'));
    });

    it('of AES-256 are twice as long and no longer form of the others', () => {
      const inputs = {
        dialect: DIALECT_311,
        sessionKey: Buffer.alloc(16, 7),
        preauth: Buffer.alloc(64, 8),
      } as const;
      const long = deriveSessionKeys({ ...inputs, cipher: 'AES-256-GCM' });
      const short = deriveSessionKeys({ ...inputs, cipher: 'AES-128-GCM' });
      assert.equal(long.sending?.length, 32);
      assert.equal(long.signing.length, 16);
      assert.notDeepEqual(long.sending.subarray(0, 16), short.sending);
    });

    it('of SMB 2.1 are the log-on’s own, and encrypt nothing', () => {
      const sessionKey = Buffer.alloc(16, 7);
      const keys = deriveSessionKeys({
        dialect: DIALECT_210,
        sessionKey,
        preauth: noPreauth,
        cipher: 'AES-128-CCM',
      });
      assert.deepEqual(keys, { signing: sessionKey, sending: undefined, receiving: undefined });
    });
  });

  describe('signatures', () => {
    it('of Microsoft’s example are taken, and of the same with any bit changed refused', () => {
      const signer = new Signer('AES-CMAC', hex('73FE7A9A77BEF0BDE49C650D8CCB5F76'));
      const message = hex(
        'FE534D4240000100000000000100800009000000000000000300000000000000FFFE0000000000001900000000100000' +
          'EBE146DA120BA25FC3376A49DFE31BC10900000048001D00A11B3019A0030A0100A3120410010000003B453CDC3524164200000000',
      );
      assert.ok(signer.verify(message));
      fc.assert(
        fc.property(fc.nat(message.length * 8 - 1), (bit) => {
          const changed = Buffer.from(message);
          changed[bit >> 3]! ^= 1 << (bit & 7);
          assert.ok(!signer.verify(changed));
        }),
      );
    });

    for (const algorithm of ['HMAC-SHA256', 'AES-CMAC', 'AES-GMAC'] as const) {
      it(`made with ${algorithm} in pieces verify whole, and hold for one key and message id`, () => {
        const signer = new Signer(algorithm, Buffer.alloc(16, 1));
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
            const header = Buffer.from(SMB311.plainRequest.subarray(0, 64));
            const body = Buffer.from(data);
            signer.sign([header, body]);
            const message = Buffer.concat([header, body]);
            assert.ok(signer.verify(message));
            assert.ok(!new Signer(algorithm, Buffer.alloc(16, 2)).verify(message));
            message[24]! ^= 1;
            assert.ok(!signer.verify(message));
          }),
          { numRuns: 20 },
        );
      });
    }
  });

  describe('encryption', () => {
    for (const [name, example] of Object.entries({ 'SMB 3.0': SMB300, 'SMB 3.1.1': SMB311 })) {
      it(`of ${name} is that of Microsoft’s example, in both directions`, () => {
        const { sending, receiving } = deriveSessionKeys(example);
        assert.ok(sending !== undefined && receiving !== undefined);
        assert.deepEqual(sending, example.sending);
        const encryption = new Encryption({
          cipher: example.cipher,
          sessionId: example.sessionId,
          sending,
          receiving,
        });
        const parts = [example.plainRequest.subarray(0, 64), example.plainRequest.subarray(64)];
        assert.deepEqual(
          Buffer.concat(encryption.encryptWith(example.nonce, parts)),
          example.encryptedRequest,
        );
        assert.deepEqual(encryption.decrypt(example.encryptedResponse), example.plainResponse);
      });
    }

    for (const cipher of CIPHERS) {
      const length = keyBits(cipher) / 8;
      const ours: EncryptionKeys = {
        cipher,
        sessionId: 5n,
        sending: Buffer.alloc(length, 1),
        receiving: Buffer.alloc(length, 2),
      };
      const theirs = new Encryption({ ...ours, sending: ours.receiving, receiving: ours.sending });

      it(`with ${cipher} is undone by the other side, never looks the same twice, and shows any change`, () => {
        const encryption = new Encryption(ours);
        const parts = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('two')];
        const first = Buffer.concat(encryption.encrypt(parts));
        const second = Buffer.concat(encryption.encrypt(parts));
        assert.notDeepEqual(first, second);
        assert.equal(theirs.decrypt(first).toString(), 'onetwo');
        fc.assert(
          fc.property(fc.nat(first.length * 8 - 1), (bit) => {
            // The protocol id is looked at before.
            fc.pre(bit >= 32);
            const changed = Buffer.from(first);
            changed[bit >> 3]! ^= 1 << (bit & 7);
            // The bytes of the nonce field that the mode leaves over are authenticated as well.
            assert.throws(() => theirs.decrypt(changed), SmbError);
          }),
        );
        assert.throws(() => theirs.decrypt(first.subarray(0, 51)), { code: 'MALFORMED' });
      });
    }
  });
});
