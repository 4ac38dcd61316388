import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode } from '../../src/cli/exit-codes.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { cli, type CliResult } from '../api/fixture.ts';
import { SmallFileSystem } from '../real/small-file-system.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair, type Site } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
/** Of the volume; `BLOCKFERRY_SEED_MIB=4096` is a run with two drives of 2 GiB. */
const SIZE_MIB = Number(process.env.BLOCKFERRY_SEED_MIB ?? 64);
const SIZE = SIZE_MIB * MIB;
/** Of the volume, random: it does not fit on one drive. */
const FILLED_MIB = (SIZE_MIB * 9) / 16;
/** Of a drive. */
const DRIVE_MIB = SIZE_MIB / 2;

describe('a seed on two drives', function () {
  this.timeout(SIZE_MIB > 64 ? 3_600_000 : 600_000);

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
    const drivesThere: SmallFileSystem[] = [];
    for (const drive of drives) {
      drivesThere.push(new SmallFileSystem(drive, DRIVE_MIB));
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

      const exporting = seed(
        'source',
        'export',
        'g',
        first,
        ...(SIZE_MIB > 64 ? [] : ['--file-size', '8 MiB']),
        '--yes',
      );
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
      execFileSync('cmp', [pair.volume('source', 'disk'), pair.volume('destination', 'disk')]);
    } finally {
      await pair.stopAll();
      for (const drive of drivesThere) drive.unmount();
    }
  });
});

/** As an image that was copied there: no journal knows of it. */
function fillBehindItsBack(path: string): void {
  const file = openSync(path, 'r+');
  for (let at = 0; at < FILLED_MIB; at += 1) writeSync(file, randomBytes(MIB), 0, MIB, at * MIB);
  closeSync(file);
}

/** Some of it where the volume is filled, some where it is not. */
async function write(pair: SitePair, round: number): Promise<void> {
  const client = await NbdClient.open({ path: pair.socket }, 'disk');
  for (let i = 0; i < 60; i += 1) await client.write(((i * 7 + round) % SIZE_MIB) * MIB, randomBytes(8192));
  await client.flush();
  client.close();
}
