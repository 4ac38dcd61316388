/** The client against a real Samba in each of its settings that change what goes over the wire. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  DIALECT_210,
  DIALECT_300,
  DIALECT_302,
  DIALECT_311,
  type SigningName,
} from '../../src/smb/crypto/algorithms.ts';
import { SambaServer } from '../servers/samba.ts';
import { MIB, optionsFor, refused, roundTrip, using } from './bench.ts';

const DIALECT_NAMES = {
  [DIALECT_311]: 'SMB 3.1.1',
  [DIALECT_302]: 'SMB 3.0.2',
  [DIALECT_300]: 'SMB 3.0',
  [DIALECT_210]: 'SMB 2.1',
};

describe('SMB client and Samba’s settings', () => {
  const SETTINGS: readonly {
    readonly settings: readonly string[];
    readonly dialect: string;
    readonly signing: SigningName;
    readonly encrypts: boolean;
  }[] = [
    { settings: [], dialect: 'SMB 3.1.1', signing: 'AES-GMAC', encrypts: false },
    { settings: ['server signing = mandatory'], dialect: 'SMB 3.1.1', signing: 'AES-GMAC', encrypts: false },
    {
      settings: ['server smb encrypt = required'],
      dialect: 'SMB 3.1.1',
      signing: 'AES-GMAC',
      encrypts: true,
    },
    {
      settings: ['server min protocol = SMB3_11'],
      dialect: 'SMB 3.1.1',
      signing: 'AES-GMAC',
      encrypts: false,
    },
    {
      settings: ['server smb3 signing algorithms = AES-128-CMAC'],
      dialect: 'SMB 3.1.1',
      signing: 'AES-CMAC',
      encrypts: false,
    },
    {
      settings: ['server smb3 signing algorithms = HMAC-SHA256'],
      dialect: 'SMB 3.1.1',
      signing: 'HMAC-SHA256',
      encrypts: false,
    },
    {
      settings: ['server max protocol = SMB3_02'],
      dialect: 'SMB 3.0.2',
      signing: 'AES-CMAC',
      encrypts: false,
    },
    {
      settings: ['server max protocol = SMB3_00', 'server smb encrypt = required'],
      dialect: 'SMB 3.0',
      signing: 'AES-CMAC',
      encrypts: true,
    },
    {
      settings: ['server max protocol = SMB2_10'],
      dialect: 'SMB 2.1',
      signing: 'HMAC-SHA256',
      encrypts: false,
    },
    { settings: ['smb2 max credits = 4'], dialect: 'SMB 3.1.1', signing: 'AES-GMAC', encrypts: false },
  ];
  for (const { settings, dialect, signing, encrypts } of SETTINGS) {
    const how = encrypts ? 'encrypted' : `signed with ${signing}`;
    it(`${settings.join(', ') || 'stock'}: speaks ${dialect}, ${how}`, async () => {
      const server = await SambaServer.start(settings);
      try {
        await using(optionsFor(server), async (tree) => {
          assert.equal(DIALECT_NAMES[tree.session.negotiated.dialect], dialect);
          assert.equal(tree.session.negotiated.signing, signing);
          assert.equal(tree.session.encrypts, encrypts);
          await roundTrip(tree, server, 'a', randomBytes(5 * MIB + 1));
        });
      } finally {
        await server.stop();
      }
    });
  }

  it('refuses to send in clear what is to be encrypted, to a server that cannot', async () => {
    for (const setting of ['server max protocol = SMB2_10', 'server smb encrypt = off']) {
      const server = await SambaServer.start([setting]);
      const encrypted = using({ ...optionsFor(server), encryption: 'required' }, () => Promise.resolve());
      await refused('UNSUPPORTED', encrypted);
      await server.stop();
    }
  });

  it('will not be a guest', async () => {
    const server = await SambaServer.start(['map to guest = Bad User']);
    const guest = using({ ...optionsFor(server), user: 'nobody-of-that-name' }, () => Promise.resolve());
    assert.match((await refused('LOGON_FAILURE', guest)).message, /guest/);
    await server.stop();
  });
});
