import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, openSync, writeSync } from 'node:fs';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const REGION = 64 * 1024;
const SIZE = 128 * MIB;
/** Of the volume, random; the rest is a hole. */
const FILLED = 96 * MIB;
/** Of the regions that are filled: so many lie from one that differs, in one sector, to the next. */
const DIFFERING_EACH = 100;

describe('a destination that has an old copy', () => {
  it('comes into step for the bytes of what differs, while hosts write and either side is killed', async () => {
    const folder = temporaryFolder();
    const pair = new SitePair({
      folder,
      volumes: { disk: SIZE },
      transport: `        folder: ${folder}/destination/buffer/g`,
    });
    const [here, there] = [pair.volume('source', 'disk'), pair.volume('destination', 'disk')];
    try {
      await Promise.all([pair.start('destination'), pair.start('source')]);
      await pair.inStep();
      await Promise.all([pair.stop('source'), pair.stop('destination')]);
      fill(here);
      copyFileSync(here, there);
      const differing = alter(there);
      await pair.start('source');
      const state = pair.path('source', 'state');
      const said = await cli(['initialize', 'g', '--compare', '--yes', '--state', state]);
      assert.equal(said.error, '');
      assert.match(said.out, /is compared, and what differs is brought over/);
      const sent = async (): Promise<number> => (await pair.source()).streams[0]?.bytesSent ?? 0;
      const client = await NbdClient.open({ path: pair.socket }, 'disk');
      let written = await write(client, 40);
      await pair.start('destination');
      await pair.until('comparing', async () => (await pair.source()).copy?.comparing === true);
      written += await write(client, 40);
      await pair.until('beginning', async () => !(await pair.destination()).consistent);
      await pair.stop('destination', 'SIGKILL');
      client.close();
      await pair.start('destination');
      const first = await sent();
      await pair.stop('source', 'SIGKILL');
      await pair.start('source');
      const again = await NbdClient.open({ path: pair.socket }, 'disk');
      written += await write(again, 40);
      again.close();
      await pair.inStep();
      assert.equal((await pair.source()).copy, undefined);
      const whole = first + (await sent());
      const needed = differing * REGION + written;
      assert.ok(whole < 2 * needed, `${whole} bytes went over the link, ${needed} were needed`);
      const list = await cli(['snapshot', 'list', 'g', '--state', pair.path('destination', 'state')]);
      assert.match(list.out, /before-copy-\d+/, 'what was there is kept');
      await Promise.all([pair.stop('source'), pair.stop('destination')]);
      execFileSync('cmp', [here, there]);
    } finally {
      await pair.stopAll();
    }
  });
});

function fill(path: string): void {
  const file = openSync(path, 'w');
  for (let at = 0; at < FILLED; at += MIB) writeSync(file, randomBytes(MIB), 0, MIB, at);
  execFileSync('truncate', ['--size', String(SIZE), path]);
  closeSync(file);
}

/** How many regions. */
function alter(path: string): number {
  const file = openSync(path, 'r+');
  let count = 0;
  for (let region = 7; region * REGION < FILLED; region += DIFFERING_EACH, count += 1)
    writeSync(file, randomBytes(512), 0, 512, region * REGION + 4096);
  closeSync(file);
  return count;
}

/** Returns the bytes. */
async function write(client: NbdClient, count: number): Promise<number> {
  for (let i = 0; i < count; i += 1)
    await client.write(Math.floor(Math.random() * (SIZE / 8192)) * 8192, randomBytes(8192));
  await client.flush();
  return count * 8192;
}
