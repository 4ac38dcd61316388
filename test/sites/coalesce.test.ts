import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { NbdClient } from '../../src/nbd/client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;
/** Of incompressible data, over and over on the same four blocks. */
const WRITES = 1200;

describe('a backlog of one hot place', function () {
  this.timeout(600_000);

  it('is coalesced while the link is down, and what goes over it then is in proportion to the place', async () => {
    const folder = temporaryFolder();
    const share = join(folder, 'share');
    const pair = new SitePair({
      folder,
      volumes: { disk: 8 * MIB },
      quota: '512 MiB',
      segment: '{ size: 2 MiB, age: 300 ms }',
      transport: `        folder: ${share}`,
    });
    // The destination's group folder is the share; without it the share is away.
    mkdirSync(share);
    mkdirSync(pair.path('destination', 'buffer'), { recursive: true });
    symlinkSync(share, pair.groupFolder('destination'));
    try {
      await pair.start('destination');
      await pair.start('source');
      await pair.inStep();
      await pair.stop('destination');
      renameSync(share, join(folder, 'away'));
      const before = (await pair.source()).streams[0]!.bytesSent;
      const client = await NbdClient.open({ path: pair.socket }, 'disk');
      for (let i = 0; i < WRITES; i += 1) await client.write((i % 4) * BLOCK, randomBytes(BLOCK));
      await client.flush();
      client.close();
      let last = 0;
      for (let tries = 0; ; tries += 1) {
        const { coalesced, buffer, lsn } = await pair.source();
        last = lsn;
        // Two segments are with the link that tries in vain, and the last ones end when they are too old.
        if (coalesced !== undefined && buffer.used < 8 * MIB) {
          assert.ok(coalesced.ranges.length > 0, 'it says where there is no point in time');
          assert.ok(coalesced.bytesSaved > 60 * MIB, `${coalesced.bytesSaved}`);
          break;
        }
        assert.ok(tries < 400, `${buffer.used} bytes are left after ${tries} looks`);
        await pause(300);
      }
      renameSync(join(folder, 'away'), share);
      await pair.start('destination');
      await pair.until('sending it', async () => (await pair.destination()).received >= last);
      await pair.inStep();
      const sent = (await pair.source()).streams[0]!.bytesSent - before;
      assert.ok(sent < 10 * MIB, `${sent} bytes for ${WRITES * BLOCK} written`);
      await pair.stop('source');
      await pair.stop('destination');
      const [here, there] = (['source', 'destination'] as const).map((site) =>
        readFileSync(pair.volume(site, 'disk')),
      );
      assert.ok(here!.equals(there!));
    } finally {
      await pair.stopAll();
    }
  });
});
