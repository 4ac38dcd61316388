import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountEntrySchema, type MountEntry } from '../../src/api/contract/mounts.ts';
import { recoveryPointsSchema } from '../../src/api/contract/points.ts';
import { uriOf } from '../../src/api/contract/nbd-uri.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;
const SIZES = { disk: 4 * MIB, log: MIB };

describe('what a virus overwrote', () => {
  const folder = temporaryFolder();
  const pair = new SitePair({
    folder,
    volumes: SIZES,
    transport: '        folder: ../destination/buffer/g',
    segment: '{ size: 1 MiB, age: 200 ms }',
    sourceExtra: '    coalesce: false\n',
    destinationExtra: '    retain: { time: 1 d, size: 1 GiB }\n',
  });
  const ask = (method: string, path: string, body?: object): Promise<unknown> =>
    connectDaemon(pair.path('destination', 'state'), method, path, body);
  const mount = async (point: object): Promise<MountEntry> =>
    mountEntrySchema.parse(await ask('POST', '/groups/g/mounts', { point }));
  after(() => pair.stopAll());

  async function overwrite(fill: number): Promise<void> {
    for (const [name, size] of Object.entries(SIZES)) {
      const client = await NbdClient.open({ path: pair.socket }, name);
      for (let at = 0; at < size; at += BLOCK) await client.write(at, Buffer.alloc(BLOCK, fill));
      await client.flush();
      client.close();
    }
    await pair.inStep();
  }

  function assertIs(fill: number, mounted: MountEntry): void {
    for (const { volume, name, size } of mounted.exports) {
      const copy = join(folder, 'copy.raw');
      execFileSync('nbdcopy', [uriOf(mounted, name), copy]);
      assert.ok(readFileSync(copy).equals(Buffer.alloc(size, fill)), `${volume} is not as it was`);
    }
  }

  it('is mounted as it was the moment before, by LSN and by time, without a snapshot there (I3)', async () => {
    await pair.start('destination');
    await pair.start('source');
    await overwrite(1);
    await pair.marker('snapshot', 'between');
    await overwrite(2);
    const { applied: lsn, appliedTime: time } = await pair.destination();
    await overwrite(66);
    const { window } = await pair.destination();
    assert.ok(window?.from !== undefined && window.from.lsn < lsn);
    const before = await mount({ kind: 'lsn', lsn });
    assert.deepEqual([before.lsn, before.snapshot.name], [lsn, 'between']);
    assertIs(2, before);
    assertIs(2, await mount({ kind: 'time', time }));
    assertIs(66, await mount({ kind: 'lsn', lsn: (await pair.destination()).applied }));
    const { windows } = recoveryPointsSchema.parse(await ask('GET', '/groups/g/points'));
    assert.ok(windows.some(({ from, to, every }) => every && from.lsn < lsn && to.lsn > lsn));
  });
});
