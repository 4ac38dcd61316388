import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { NbdClient } from '../../src/nbd/client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { pause, SitePair, type PairOptions } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZE = 96 * MIB;

describe('a link that is down for as long as the buffer lasts', function () {
  this.timeout(600_000);

  function prepare(
    whenFull: PairOptions['whenFull'],
    quota = '64 MiB',
  ): { pair: SitePair; cut: () => void; mend: () => void } {
    const folder = temporaryFolder();
    const share = join(folder, 'share');
    const pair = new SitePair({
      folder,
      volumes: { disk: SIZE },
      quota,
      ...(whenFull === undefined ? {} : { whenFull }),
      segment: '{ size: 2 MiB, age: 300 ms }',
      transport: `        folder: ${share}`,
    });
    // The destination's group folder is the share; without it the share is away.
    mkdirSync(share);
    const away = join(folder, 'away');
    return { pair, cut: () => renameSync(share, away), mend: () => renameSync(away, share) };
  }

  /** Writes random data from the start on until the volume ends or a write is refused; returns the bytes taken. */
  async function fill(pair: SitePair): Promise<{ taken: number; refused: boolean }> {
    const client = await NbdClient.open({ path: pair.socket }, 'disk');
    let taken = 0;
    try {
      for (; taken < SIZE; taken += MIB / 4) await client.write(taken, randomBytes(MIB / 4));
      await client.flush();
      return { taken, refused: false };
    } catch (error) {
      assert.match(String(error), /error 28/, 'refused with ENOSPC');
      await client.flush();
      return { taken, refused: true };
    } finally {
      client.close();
    }
  }

  async function assertIdentical(pair: SitePair): Promise<void> {
    await pair.inStep();
    await pair.stop('source');
    await pair.stop('destination');
    assert.ok(
      readFileSync(pair.volume('source', 'disk')).equals(readFileSync(pair.volume('destination', 'disk'))),
    );
  }

  async function startShared(pair: SitePair): Promise<void> {
    mkdirSync(pair.path('destination', 'buffer'), { recursive: true });
    symlinkSync(join(pair.options.folder, 'share'), pair.groupFolder('destination'));
    await pair.start('destination');
    await pair.start('source');
    await pair.inStep();
    // From here on the share is away: a daemon that stands in it would be in the way of that.
    await pair.stop('destination');
  }

  it('refuses writes when it is full, says why, loses nothing, and drains in order when the link returns (I8)', async () => {
    const { pair, cut, mend } = prepare('refuse-writes');
    try {
      await startShared(pair);
      cut();
      const { taken, refused } = await fill(pair);
      assert.ok(refused && taken > 16 * MIB, `${taken} bytes were taken before the buffer was full`);
      // Sealing may make a little room again, which is written full like what was before.
      await pair.until('saying that the buffer is full', async () => {
        const { waits, buffer } = await pair.source();
        assert.ok(buffer.used <= buffer.quota, 'the quota holds');
        return waits.some((wait) => wait.code === 'buffer-full') || (await fill(pair), false);
      });
      await pair.until('telling why', async () => {
        const [stream] = (await pair.source()).streams;
        return stream?.state === 'failed' && stream.waits.some((wait) => wait.nextTryAt !== undefined);
      });
      const written = readFileSync(pair.volume('source', 'disk')).subarray(0, taken);
      assert.ok(written.some((byte) => byte !== 0));
      mend();
      await pair.start('destination');
      await pair.until('taking writes again', async () => (await pair.source()).waits.length === 0);
      assert.equal((await fill(pair)).taken > 0, true);
      await assertIdentical(pair);
    } finally {
      await pair.stopAll();
    }
  });

  it('does the same when the file system under the buffer is full before the quota is (I8)', async () => {
    const { pair, cut, mend } = prepare('refuse-writes', '1 GiB');
    const buffer = pair.path('source', 'buffer');
    mkdirSync(buffer);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'blockferry-test', buffer]);
    try {
      await startShared(pair);
      cut();
      const { taken, refused } = await fill(pair);
      assert.ok(refused && taken > 16 * MIB, `${taken} bytes were taken before the disk was full`);
      await pair.until('telling why', async () =>
        (await pair.source()).waits.some((wait) => wait.code === 'buffer-disk-full'),
      );
      mend();
      await pair.start('destination');
      await pair.until('taking writes again', async () => (await pair.source()).waits.length === 0);
      assert.equal((await fill(pair)).taken > 0, true);
      await assertIdentical(pair);
    } finally {
      await pair.stopAll();
      execFileSync('umount', [buffer]);
    }
  });

  it('suspends replication when it is full if that was chosen, and begins again by itself (I8)', async () => {
    const { pair, cut, mend } = prepare('change-map');
    try {
      await startShared(pair);
      cut();
      const { taken, refused } = await fill(pair);
      assert.ok(!refused && taken === SIZE, 'hosts are never refused');
      await pair.until('marking what changes', async () => {
        const { mode, waits } = await pair.source();
        return mode === 'change-map' && waits.some((wait) => wait.code === 'change-map');
      });
      await pause(500);
      mend();
      await pair.start('destination');
      await pair.until('replicating again', async () => (await pair.source()).mode === 'journal');
      await pair.marker('snapshot', 'after');
      await assertIdentical(pair);
    } finally {
      await pair.stopAll();
    }
  });
});
