import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SambaServer } from '../servers/samba.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;

describe('two sites with an SMB server between them', () => {
  let server: SambaServer;
  let pair: SitePair;

  before(async () => {
    // Both sites run as root here, and what the destination makes is for its own user alone.
    server = await SambaServer.start(['server smb encrypt = required', 'force user = root']);
    const folder = temporaryFolder();
    // The server's folder is the destination's group folder.
    mkdirSync(join(folder, 'destination/buffer'), { recursive: true });
    symlinkSync(server.groupFolder, join(folder, 'destination/buffer/g'));
    pair = new SitePair({
      folder,
      volumes: { a: 16 * MIB },
      segment: '{ size: 1 MiB, age: 300 ms }',
      transport: `        smb: { host: 127.0.0.1, port: ${server.port}, share: ${server.share}, user: ${server.users.writer}, password-file: ../password, path: '${server.groupPath}', timeout: 5 s }`,
    });
    writeFileSync(join(folder, 'password'), server.password, { mode: 0o600 });
  });

  after(async () => {
    await pair.stopAll();
    await server.stop();
  });

  it('are equal in the end, whether the server is killed, frozen or restarted meanwhile', async () => {
    await pair.start('destination');
    await pair.start('source');
    const writing = new StampedHost(1, { start: 0, length: 16 * MIB }).run({ path: pair.socket }, 'a', 3_000);
    await pair.until('the first segment', async () => (await pair.destination()).received > 0);
    await server.kill();
    await pair.until('noticing', async () => (await pair.source()).streams[0]?.state !== 'sending');
    await server.run();
    server.freeze();
    assert.equal(await writing, true);
    server.thaw();
    await pair.inStep();
    assert.equal(await pair.stop('source'), 0);
    assert.equal(await pair.stop('destination'), 0);
    assert.ok(readFileSync(pair.volume('source', 'a')).equals(readFileSync(pair.volume('destination', 'a'))));
    const logs = ['source', 'destination'] as const;
    for (const site of logs) {
      const log = readFileSync(pair.path(site, 'log.jsonl'), 'utf8');
      assert.ok(!log.includes(server.password), `the password is in the ${site}’s log`);
    }
  });
});
