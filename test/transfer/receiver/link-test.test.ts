import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { nodePlatform } from '../../../src/platform/node/platform.ts';
import { testLink } from '../../../src/transfer/link-test.ts';
import { FtpTransport } from '../../../src/transfer/transports/ftp.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { MIB, PASSWORD, startSite, USER, type Site } from './fixture.ts';
import { RawClient } from './raw-client.ts';

const TEST = 'link-test-0123456789abcdef.tmp';

describe('a link test of the receiver', () => {
  let site: Site;
  beforeEach(async () => {
    site = await startSite();
  });
  afterEach(() => site.stop());

  it('goes through everything, wakes nobody, and leaves nothing behind', async () => {
    const transport = new FtpTransport({
      host: '127.0.0.1',
      port: site.port,
      user: USER,
      password: PASSWORD,
      path: '/',
      tls: 'none',
      certificateAuthority: undefined,
      fingerprint: undefined,
      timeout: 60_000,
      connections: 2,
    });
    const { steps } = await testLink(nodePlatform, { transport, folder: temporaryFolder() });
    assert.deepEqual(
      steps.map(({ name, failure }) => failure ?? name),
      ['connect', 'write', 'read', 'replace', 'list', 'speed', 'delete'],
    );
    assert.deepEqual(site.inbox(), []);
    assert.deepEqual(site.stored, []);
  });

  it('opens no way to anything else: only its own small files are read and deleted, and no link is followed', async () => {
    const client = await RawClient.loggedIn(site);
    const answer = (line: string): Promise<string> => client.command(line);
    try {
      await client.data();
      assert.match(await answer(`STOR inbox/${TEST}`), /^553/, 'not under its final name');
      for (const name of ['link-test-0123456789abcdeg.tmp', 'link-test-.tmp', `x${TEST}`, `${TEST}.txt`]) {
        assert.match(await answer(`STOR inbox/${name}.part`), /^553/, name);
        assert.match(await answer(`DELE inbox/${name}`), /^550/, name);
      }
      assert.match(await answer(`RETR inbox/${TEST}.part`), /^550/);
      site.put(TEST, Buffer.alloc(MIB));
      assert.match(await answer(`RETR inbox/${TEST}`), /^550/, 'too long to be read back');
      assert.match(await answer(`DELE inbox/${TEST}`), /^250/);
      site.writeStatus('{}');
      symlinkSync(join(site.folder, 'status', 'destination.json'), join(site.folder, 'inbox', TEST));
      assert.match(await answer(`RETR inbox/${TEST}`), /^550/, 'a link was followed');
      assert.match(await answer(`SIZE inbox/${TEST}`), /^550/);
    } finally {
      await client.close();
    }
  });
});
