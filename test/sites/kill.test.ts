import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { pause, SitePair, type Site } from '../support/site-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

const MIB = 1024 * 1024;
const VOLUMES = { a: 32 * MIB, b: 32 * MIB } as const;
const KILLS = Number(process.env.BLOCKFERRY_KILLS ?? 8);

describe('two sites whose daemons are killed under load', function () {
  this.timeout(300_000 + KILLS * 60_000);
  const pair = new SitePair({ folder: temporaryFolder(), volumes: VOLUMES, transport: folderTransport() });
  const hosts = [0, 1, 2, 3].map((i) => ({
    volume: i % 2 === 0 ? 'a' : 'b',
    host: new StampedHost(i + 1, { start: Math.floor(i / 2) * 16 * MIB, length: 16 * MIB }),
  }));
  after(() => pair.stopAll());

  function folderTransport(): string {
    return '        folder: ../destination/buffer/g';
  }

  it(`hold every flushed write after each of ${KILLS} kills, and are identical in the end (I1, I2, I3, I6)`, async () => {
    const random = seededRandom('kills');
    await pair.start('destination');
    await pair.start('source');
    await pair.inStep();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const load = hosts.map(({ volume, host }) => host.run({ path: pair.socket }, volume, 100_000));
      await pause(200 + random.fraction() * 1500);
      const victim: Site = random.fraction() < 0.6 ? 'source' : 'destination';
      await pair.stop(victim, 'SIGKILL');
      if (victim === 'destination') {
        await pair.start('destination');
        await pause(200);
        // The hosts are cut too, so that each round begins from what is known.
        await pair.stop('source', 'SIGKILL');
      }
      await Promise.all(load);
      await pair.start('source');
      await pair.until('destaging', async () => {
        const status = await pair.source();
        return status.checkpoint === status.lsn;
      });
      for (const { volume, host } of hosts) {
        assert.deepEqual(host.check(readFileSync(pair.volume('source', volume))).slice(0, 3), []);
      }
    }
    await Promise.all(hosts.map(({ volume, host }) => host.run({ path: pair.socket }, volume, 200)));
    await pair.inStep();
    assert.equal(await pair.stop('source'), 0, 'SIGTERM drains and exits 0');
    assert.equal(await pair.stop('destination'), 0);
    for (const name of Object.keys(VOLUMES)) {
      assert.equal(
        await digest(pair.volume('destination', name)),
        await digest(pair.volume('source', name)),
        name,
      );
    }
    for (const { volume, host } of hosts) {
      assert.deepEqual(host.check(readFileSync(pair.volume('destination', volume))).slice(0, 3), []);
      assert.ok(host.writes > 0);
    }
  });
});

function digest(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    createReadStream(path)
      .on('data', (bytes) => hash.update(bytes))
      .on('end', () => resolve(hash.digest('hex')))
      .on('error', reject);
  });
}
