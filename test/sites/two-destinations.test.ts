import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const volumes = { disk: 16 * MIB };

describe('two destinations of one source', () => {
  it('that both lost the folder of the group come into step, each by a copy that it asks for', async () => {
    const folder = temporaryFolder();
    const inboxes = [join(folder, 'destination/buffer/g'), join(folder, 'other/destination/buffer/g')];
    const transport = `        folder: ${inboxes[0]}\n      third:\n        folder: ${inboxes[1]}`;
    const pair = new SitePair({ folder, volumes, transport });
    const other = new SitePair({ folder: join(folder, 'other'), volumes, transport: '        folder: none' });
    const sites = [pair, other];
    const host = new StampedHost(1, { start: 0, length: volumes.disk }, 16 * 1024);
    const write = async (): Promise<void> => assert.ok(await host.run({ path: pair.socket }, 'disk', 100));
    const inStep = (): Promise<void> =>
      pair.until('both being in step', async () => {
        const { mode, lsn } = await pair.source();
        const there = await Promise.all(sites.map((site) => site.destination()));
        return mode === 'journal' && there.every(({ consistent, applied }) => consistent && applied === lsn);
      });
    try {
      await Promise.all([pair.start('source'), ...sites.map((site) => site.start('destination'))]);
      await write();
      await inStep();
      await pair.until('all that is received being freed', () =>
        Promise.resolve(!readdirSync(join(pair.groupFolder('source'), 'journal')).some(isSealed)),
      );
      await Promise.all(sites.map((site) => site.stop('destination', 'SIGKILL')));
      for (const inbox of inboxes) rmSync(inbox, { recursive: true });
      await write();
      await Promise.all(sites.map((site) => site.start('destination')));
      await Promise.all(
        sites.map((site) =>
          site.until('seeing what it lacks', async () => {
            await connectDaemon(site.path('destination', 'state'), 'POST', '/groups/g/rejoin', {});
            return true;
          }),
        ),
      );
      await write();
      await inStep();
      await Promise.all([pair.stop('source'), ...sites.map((site) => site.stop('destination'))]);
      for (const site of sites)
        execFileSync('cmp', [pair.volume('source', 'disk'), site.volume('destination', 'disk')]);
    } finally {
      await Promise.all(sites.map((site) => site.stopAll()));
    }
  });
});

const isSealed = (name: string): boolean => name.endsWith('.seg');
