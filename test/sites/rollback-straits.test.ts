import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import type { RecoveryPoints } from '../../src/api/contract/points.ts';
import type { FailoverAnswer } from '../../src/api/contract/roles.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { contentOf } from '../support/role-pair.ts';
import { SitePair, type PairOptions, type Site } from '../support/site-pair.ts';

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;

function makePair(options: Partial<PairOptions>): SitePair {
  return new SitePair({
    folder: temporaryFolder(),
    volumes: { disk: SIZE },
    transport: '        folder: ../destination/buffer/g',
    sourceExtra: '    snapshots: snapshots\n    views: { socket: views.sock }',
    destinationExtra: '    views: { socket: views.sock }',
    segment: '{ size: 2 MiB, age: 300 ms }',
    ...options,
  });
}

/** Random data over all of the volume, and again over that, until a write is refused or `rounds` are done. */
async function overwrite(pair: SitePair, rounds: number): Promise<void> {
  const client = await NbdClient.open({ path: pair.socket }, 'disk');
  try {
    for (let at = 0; at < rounds * SIZE; at += MIB / 4) await client.write(at % SIZE, randomBytes(MIB / 4));
  } catch (error) {
    assert.match(String(error), /error 28/, 'refused with ENOSPC');
  } finally {
    await client.flush();
    client.close();
  }
}

const holding = (pair: SitePair, site: Site): Buffer => readFileSync(pair.volume(site, 'disk'));
const ask = <T>(pair: SitePair, site: Site, path: string, body: object): Promise<T> =>
  connectDaemon(pair.path(site, 'state'), 'POST', `/groups/g/${path}`, body) as Promise<T>;
const snapshot = (called: string): object => ({ point: { kind: 'snapshot', called } });

async function served(pair: SitePair): Promise<Buffer> {
  const client = await NbdClient.open({ path: pair.socket }, 'disk');
  const content = await client.read(0, SIZE);
  client.close();
  return content;
}

/** A marker of this name, which cuts a point, has fired. Again until it may be placed. */
async function applied(pair: SitePair, name: string): Promise<void> {
  let placed = 0;
  await pair.until(`marker ${name} being placed`, async () => {
    placed = (await pair.marker('snapshot', name)).lsn;
    return true;
  });
  await pair.until(`marker ${name} firing`, async () => {
    const { consistent, applied: reached } = await pair.destination();
    return consistent && reached >= placed;
  });
}

async function keptAs(pair: SitePair): Promise<string> {
  const { snapshots } = (await connectDaemon(
    pair.path('source', 'state'),
    'GET',
    '/groups/g/points',
  )) as RecoveryPoints;
  return snapshots.find(({ name }) => name.startsWith('before-rollback-'))?.name ?? 'none';
}

async function isServed(pair: SitePair): Promise<void> {
  await pair.until('hosts being served', async () => {
    const client = await NbdClient.open({ path: pair.socket }, 'disk');
    client.close();
    return true;
  });
}

describe('a group that is brought back', () => {
  for (const whenFull of ['change-map', 'refuse-writes'] as const)
    for (const what of ['quota', 'disk'] as const)
      it(`is so though the buffer’s ${what} is full (${whenFull}), and so is the destination in the end (I8, I10)`, async () => {
        const pair = makePair({ whenFull, quota: what === 'quota' ? '64 MiB' : '1 GiB' });
        const buffer = pair.path('source', 'buffer');
        mkdirSync(buffer);
        if (what === 'disk')
          execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'blockferry-test', buffer]);
        try {
          await pair.start('destination');
          await pair.start('source');
          await overwrite(pair, 1);
          await pair.inStep();
          const one = holding(pair, 'source');
          await pair.marker('snapshot', 'one');
          await pair.inStep();
          await pair.stop('destination');
          await overwrite(pair, 5);
          const two = await served(pair);
          // Letting hosts go waits for a while for what a full disk keeps from being finished.
          await ask(pair, 'source', 'rollback', snapshot('one')).catch((error: unknown) =>
            assert.match(String(error), /no answer/),
          );
          if (whenFull === 'change-map') {
            await isServed(pair);
            assert.ok((await served(pair)).equals(one), 'before there is room again');
          }
          await pair.start('destination');
          await pair.until('its beginning', async () => (await keptAs(pair)) !== 'none');
          await isServed(pair);
          await pair.inStep();
          for (const site of ['source', 'destination'] as const)
            assert.ok(holding(pair, site).equals(one), `the ${site} is as it was`);
          const mounted = await ask<MountEntry>(pair, 'source', 'mounts', snapshot(await keptAs(pair)));
          assert.ok((await contentOf(mounted, 'disk')).equals(two), 'what it was before is kept');
        } finally {
          await pair.stopAll();
          if (what === 'disk') execFileSync('umount', [buffer]);
        }
      });

  it('by a destination whose source replicates on an interval: that has no snapshots, and serves again once it has the point (I10)', async () => {
    const pair = makePair({ sourceExtra: '    replication: { every: 1 h }' });
    try {
      await pair.start('destination');
      await pair.start('source');
      await overwrite(pair, 1);
      const one = await served(pair);
      await applied(pair, 'one');
      await overwrite(pair, 1);
      const two = await served(pair);
      await applied(pair, 'two');
      await assert.rejects(ask(pair, 'source', 'rollback', snapshot('one')), /keeps no snapshots/);
      const { rollback } = await ask<FailoverAnswer>(pair, 'destination', 'failover', {
        ...snapshot('one'),
        handBack: true,
      });
      await pair.until('the source serving again', async () => {
        const [source, destination] = [await pair.source(), await pair.destination()];
        return source.epoch === 3 && destination.epoch === 3 && destination.consistent;
      });
      await isServed(pair);
      assert.ok((await served(pair)).equals(one), 'what it was at the point');
      assert.ok(holding(pair, 'destination').equals(one), 'the destination, too');
      const mounted = await ask<MountEntry>(pair, 'destination', 'mounts', snapshot(rollback?.keptAs ?? ''));
      assert.ok((await contentOf(mounted, 'disk')).equals(two), 'what it was before is kept');
      await overwrite(pair, 1);
      const three = await served(pair);
      await applied(pair, 'three');
      assert.ok(holding(pair, 'destination').equals(three), 'on an interval again');
    } finally {
      await pair.stopAll();
    }
  });
});
