import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountEntrySchema, type MountEntry } from '../../src/api/contract/mounts.ts';
import { recoveryPointsSchema } from '../../src/api/contract/points.ts';
import { snapshotEntrySchema, snapshotListSchema } from '../../src/api/contract/snapshots.ts';
import { uriOf } from '../../src/api/contract/nbd-uri.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair, type Site } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZES = { disk: 4 * MIB, log: MIB };

describe('snapshots on both sides', () => {
  const folder = temporaryFolder();
  const pair = new SitePair({
    folder,
    volumes: SIZES,
    transport: '        folder: ../destination/buffer/g',
    segment: '{ size: 1 MiB, age: 200 ms }',
    sourceExtra:
      '    snapshots: snapshots\n    retention: { maximum: 3 }\n    views: { scratch-size: 1 MiB }',
  });
  const ask = (site: Site, method: string, path: string, body?: object): Promise<unknown> =>
    connectDaemon(pair.path(site, 'state'), method, `/groups/g/${path}`, body);
  const mount = async (site: Site, called: string): Promise<MountEntry> =>
    mountEntrySchema.parse(await ask(site, 'POST', 'mounts', { point: { kind: 'snapshot', called } }));
  const names = async (site: Site): Promise<string[]> =>
    snapshotListSchema.parse(await ask(site, 'GET', 'snapshots')).snapshots.map(({ name }) => name);
  after(() => pair.stopAll());

  async function overwrite(round: number): Promise<void> {
    for (const [name, size] of Object.entries(SIZES)) {
      const client = await NbdClient.open({ path: pair.socket }, name);
      for (let at = 0; at < size; at += MIB) await client.write(at, Buffer.alloc(MIB, round));
      await client.flush();
      client.close();
    }
  }

  function assertIsRound(round: number, mounted: MountEntry): void {
    for (const { name, size } of mounted.exports) {
      const copy = join(folder, 'copy.raw');
      execFileSync('nbdcopy', [uriOf(mounted, name), copy]);
      assert.ok(readFileSync(copy).equals(Buffer.alloc(size, round)), `round ${round} of ${name}`);
    }
  }

  it('are the same state by the same name, also after the source was killed (I3, I7, I9)', async () => {
    await pair.start('destination');
    await pair.start('source');
    await overwrite(1);
    await pair.inStep();
    const { id, lsn } = await pair.marker('snapshot', 'one');
    await overwrite(2);
    await pair.stop('source', 'SIGKILL');
    await pair.start('source');
    await pair.until('both snapshots', async () =>
      [(await pair.source()).snapshots, (await pair.destination()).snapshots].every((count) => count === 1),
    );
    for (const site of ['source', 'destination'] as const) {
      const mounted = await mount(site, 'one');
      assert.deepEqual([mounted.snapshot.id, mounted.lsn], [id, lsn]);
      assertIsRound(1, mounted);
    }
    assert.deepEqual(
      (await pair.source()).mounts?.map(({ name }) => name),
      ['one'],
    );
  });

  it('are made, listed, deleted and judged at the source as at the destination, each for itself', async () => {
    const made = snapshotEntrySchema.parse(await ask('source', 'POST', 'snapshots', { name: 'here' }));
    await overwrite(3);
    assertIsRound(2, await mount('source', 'here'));
    assert.deepEqual([await names('source'), await names('destination')], [['one', 'here'], ['one']]);
    const points = recoveryPointsSchema.parse(await ask('source', 'GET', 'points'));
    assert.equal(points.applied.consistent, true);
    assert.deepEqual(
      points.snapshots.map(({ name, named }) => [name, named]),
      [
        ['one', true],
        ['here', true],
      ],
    );
    const { verdicts } = (await ask('source', 'GET', 'retention')) as { verdicts: { keep: boolean }[] };
    assert.deepEqual(
      verdicts.map(({ keep }) => keep),
      [true, true],
    );
    await assert.rejects(ask('source', 'DELETE', `snapshots/${made.id}`), /SNAPSHOT_IN_USE/);
    await ask('source', 'DELETE', 'mounts/here');
    await ask('source', 'DELETE', `snapshots/${made.id}`);
    assert.deepEqual(await names('source'), ['one']);
    assertIsRound(1, await mount('source', 'one'));
  });
});
