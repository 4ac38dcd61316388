import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountEntrySchema, type MountEntry } from '../../src/api/contract/mounts.ts';
import { uriOf } from '../../src/api/contract/nbd-uri.ts';
import { NbdClient, NbdError } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { seededRandom } from '../support/random.ts';
import { SitePair } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;
const SIZES = { disk: 12 * MIB, log: 2 * MIB };
type VolumeName = keyof typeof SIZES;

/** Every block says of which round it is. */
const block = (round: number): Buffer => Buffer.alloc(BLOCK, round);

describe('a mounted recovery point', () => {
  const folder = temporaryFolder();
  const pair = new SitePair({
    folder,
    volumes: SIZES,
    transport: '        folder: ../destination/buffer/g',
    segment: '{ size: 1 MiB, age: 200 ms }',
  });
  const random = seededRandom('mount');
  const ask = (method: string, path: string, body?: object): Promise<unknown> =>
    connectDaemon(pair.path('destination', 'state'), method, path, body);
  const mount = async (called: string): Promise<MountEntry> =>
    mountEntrySchema.parse(await ask('POST', '/groups/g/mounts', { point: { kind: 'snapshot', called } }));
  after(() => pair.stopAll());

  async function overwrite(round: number, share: number): Promise<void> {
    for (const name of Object.keys(SIZES) as VolumeName[]) {
      const client = await NbdClient.open({ path: pair.socket }, name);
      for (let at = 0; at < SIZES[name]; at += BLOCK)
        if (random.fraction() < share) await client.write(at, block(round));
      await client.flush();
      client.close();
    }
  }

  /** By a copy of everything, as backup software makes it. */
  function assertIsRound(round: number, mounted: MountEntry): void {
    for (const { volume, name, size } of mounted.exports) {
      const copy = join(folder, 'copy.raw');
      execFileSync('nbdcopy', [uriOf(mounted, name), copy]);
      const content = readFileSync(copy);
      assert.equal(content.length, size);
      for (let at = 0; at < size; at += BLOCK)
        assert.ok(
          content.subarray(at, at + BLOCK).equals(block(round)),
          `round ${round} of ${volume} at ${at}`,
        );
    }
  }

  it('is what the volumes were at its marker, while they are overwritten and others are mounted (I7)', async () => {
    await pair.start('destination');
    await pair.start('source');
    await overwrite(1, 1);
    await pair.inStep();
    await pair.marker('snapshot', 'one');
    await overwrite(2, 1);
    await pair.marker('snapshot', 'two');
    await pair.until('both snapshots', async () => (await pair.destination()).snapshots === 2);
    const one = await mount('one');
    const { applied } = await pair.destination();
    const stop = new AbortController();
    const load = (async () => {
      for (let round = 3; !stop.signal.aborted; round += 1) await overwrite(round, 0.3);
    })();
    assertIsRound(1, one);
    const two = await mount('two');
    for (let turn = 0; turn < 2; turn += 1) {
      assertIsRound(1, one);
      assertIsRound(2, two);
    }
    stop.abort();
    await load;
    await pair.inStep();
    assert.ok((await pair.destination()).applied > applied, 'destage went on');
    assertIsRound(1, one);
    assertIsRound(2, two);
  });

  it('is shown by status, cannot be written or deleted, and is no more when it is unmounted', async () => {
    const { mounts } = await pair.destination();
    assert.deepEqual(
      mounts.map(({ name }) => name),
      ['one', 'two'],
    );
    const [{ id } = assert.fail()] = (
      (await ask('GET', '/groups/g/snapshots')) as { snapshots: { id: string }[] }
    ).snapshots;
    await assert.rejects(ask('DELETE', `/groups/g/snapshots/${id}`), /SNAPSHOT_IN_USE/);
    const { path } = (await mount('one')).address as { path: string };
    const info = execFileSync('nbdinfo', ['--json', `nbd+unix:///g/disk@one?socket=${path}`], {
      encoding: 'utf8',
    });
    assert.match(info, /"is_read_only": true/);
    const client = await NbdClient.open({ path }, 'g/disk@one');
    await assert.rejects(
      client.write(0, block(7)),
      (error) => error instanceof NbdError && error.errno === 1,
    );
    assert.deepEqual(await ask('DELETE', '/groups/g/mounts/one'), { name: 'one', hungUp: 1 });
    await assert.rejects(client.read(0, 512));
    await ask('DELETE', '/groups/g/mounts/one-2');
    await ask('DELETE', `/groups/g/snapshots/${id}`);
    assert.ok(existsSync(path));
    await ask('DELETE', '/groups/g/mounts/two');
    assert.ok(!existsSync(path), 'the last mount takes the socket with it');
  });

  it('can be written on a scratch file, which is thrown away', async () => {
    const body = { point: { kind: 'snapshot', called: 'two' }, writable: true };
    const mounted = mountEntrySchema.parse(await ask('POST', '/groups/g/mounts', body));
    assert.equal(mounted.writable, true);
    const client = await NbdClient.open(mounted.address, 'g/disk@two');
    await client.write(BLOCK, block(200));
    await client.trim(4 * BLOCK, 2 * BLOCK);
    await client.flush();
    assert.ok((await client.read(BLOCK, BLOCK)).equals(block(200)));
    assert.ok((await client.read(5 * BLOCK, BLOCK)).equals(block(0)));
    assert.ok((await client.read(0, BLOCK)).equals(block(2)));
    client.close();
    const scratch = join(pair.groupFolder('destination'), 'scratch');
    assert.deepEqual(readdirSync(scratch), ['1.scratch']);
    await ask('DELETE', `/groups/g/mounts/${mounted.name}`);
    assert.deepEqual(readdirSync(scratch), []);
    const again = await mount('two');
    assertIsRound(2, again);
    await ask('DELETE', `/groups/g/mounts/${again.name}`);
  });

  it('ends with the daemon, which leaves nothing of it, nor does one that is killed once it is started again', async () => {
    const { address } = await mount('two');
    assert.equal(await pair.stop('destination'), 0);
    assert.ok(!existsSync((address as { path: string }).path));
    assert.match(
      readFileSync(pair.path('destination', 'log.jsonl'), 'utf8'),
      /mounts end with blockferry: two/,
    );
    await pair.start('destination');
    assert.deepEqual((await pair.destination()).mounts, []);
    const point = { kind: 'snapshot', called: 'two' };
    await ask('POST', '/groups/g/mounts', { point, writable: true });
    await pair.stop('destination', 'SIGKILL');
    await pair.start('destination');
    assert.deepEqual(readdirSync(join(pair.groupFolder('destination'), 'scratch')), []);
    assertIsRound(2, await mount('two'));
  });
});
