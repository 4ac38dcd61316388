import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli, type CliResult } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair, type Site } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
/** Of the volume, random: it does not fit on one drive. */
const FILLED = 36 * MIB;

describe('a seed on two drives', function () {
  this.timeout(300_000);

  it('brings over what the volume holds, and over the link goes nothing but what hosts write meanwhile', async () => {
    const folder = temporaryFolder();
    const pair = new SitePair({
      folder,
      volumes: { disk: SIZE },
      transport: `        folder: ${folder}/destination/buffer/g`,
    });
    const drives = ['one', 'two'].map((drive) => join(folder, drive));
    const seed = (site: Site, ...args: readonly string[]): Promise<CliResult> =>
      cli(['seed', ...args, '--json', '--state', pair.path(site, 'state')]);
    for (const drive of drives) {
      mkdirSync(drive);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=30m', 'blockferry-test', drive]);
    }
    try {
      await pair.start('destination');
      await pair.start('source');
      await pair.inStep();
      await pair.stop('source');
      fillBehindItsBack(pair.volume('source', 'disk'));
      await pair.start('source');
      const [first = '', second = ''] = drives;
      assert.equal((await seed('source', 'export', 'g', first)).exitCode, ExitCode.usage, 'nobody confirms');

      const exporting = seed('source', 'export', 'g', first, '--file-size', '8 MiB', '--yes');
      await write(pair, 1);
      const full = await exporting;
      assert.deepEqual([full.exitCode, full.error], [ExitCode.nextDrive, '']);
      await pair.stop('source', 'SIGKILL');
      await pair.start('source');
      await write(pair, 2);
      const complete = await seed('source', 'export', 'g', second);
      assert.deepEqual([complete.exitCode, complete.error], [ExitCode.ok, '']);
      await write(pair, 3);

      const awaited = async (): Promise<boolean> => (await pair.destination()).seed?.state === 'awaited';
      await pair.until('reaching the seed', awaited);
      const [name = ''] = readdirSync(second).filter((file) => file.endsWith('.seed'));
      const whole = readFileSync(join(second, name));
      const damaged = Buffer.from(whole);
      damaged[damaged.length >> 1]! ^= 1;
      writeFileSync(join(second, name), damaged);
      const refused = await seed('destination', 'import', 'g', second);
      assert.equal(refused.exitCode, ExitCode.failure);
      assert.match(refused.error, new RegExp(name));
      writeFileSync(join(second, name), whole);
      const half = await seed('destination', 'import', 'g', second);
      assert.deepEqual([half.exitCode, half.error], [ExitCode.ok, '']);
      assert.equal((await pair.destination()).seed?.state, 'awaited');
      assert.ok(!(await pair.destination()).consistent, 'half a seed is no copy');
      await pair.stop('destination', 'SIGKILL');
      await pair.start('destination');
      assert.equal((await seed('destination', 'import', 'g', first, second)).exitCode, ExitCode.ok);
      await pair.inStep();

      assert.equal((await pair.destination()).seed?.state, 'imported');
      const sent = (await pair.source()).streams[0]?.bytesSent ?? 0;
      assert.ok(sent < 4 * MIB, `${sent} bytes went over the link`);
      await pair.stop('source');
      await pair.stop('destination');
      const [here, there] = (['source', 'destination'] as const).map((site) =>
        readFileSync(pair.volume(site, 'disk')),
      );
      assert.ok(here!.equals(there!));
      assert.ok(here!.subarray(0, FILLED).some((byte) => byte !== 0));
    } finally {
      await pair.stopAll();
      for (const drive of drives) execFileSync('umount', [drive]);
    }
  });
});

/** As an image that was copied there: no journal knows of it. */
function fillBehindItsBack(path: string): void {
  const file = openSync(path, 'r+');
  for (let at = 0; at < FILLED; at += MIB) writeSync(file, randomBytes(MIB), 0, MIB, at);
  closeSync(file);
}

/** Some of it where the volume is filled, some where it is not. */
async function write(pair: SitePair, round: number): Promise<void> {
  const client = await NbdClient.open({ path: pair.socket }, 'disk');
  for (let i = 0; i < 60; i += 1) await client.write(((i * 7 + round) % 64) * MIB, randomBytes(8192));
  await client.flush();
  client.close();
}
