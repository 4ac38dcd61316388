import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MountEntry } from '../../src/api/contract/mounts.ts';
import type { RejoinAnswer } from '../../src/api/contract/roles.ts';
import { NbdClient } from '../../src/nbd/client.ts';
import { contentOf, MIB, RolePair } from '../support/role-pair.ts';
import { StampedHost } from '../support/stamped-load.ts';

describe('a side that lost its disk', () => {
  let pair: RolePair;
  beforeEach(async () => {
    pair = new RolePair();
    await pair.sites.start('destination');
    await pair.sites.start('source');
    await pair.sites.inStep();
  });
  afterEach(() => pair.sites.stopAll());

  it('as the source serves nobody, follows once the other side serves, and gets what differs (I10, I11)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('source', 'SIGKILL');
    const old = readFileSync(pair.sites.volume('source', 'b'));
    rmSync(pair.sites.path('source', 'buffer'), { recursive: true });
    rmSync(pair.sites.volume('source', 'a'));
    await pair.sites.start('source', false);
    await pair.waits('source', 'group-lost');
    await assert.rejects(pair.ask('source', 'rejoin'), /OTHER_SIDE_FOLLOWS/);
    await pair.sites.stop('source', 'SIGKILL');
    await pair.sites.start('source', false);
    await pair.ask('destination', 'failover');
    await pair.isServed('destination');
    await pair.write('destination', 80);
    let told: RejoinAnswer | undefined;
    await pair.sites.until('the source hearing of it', async () => {
      told = await pair.ask<RejoinAnswer>('source', 'rejoin', { dryRun: true });
      return true;
    });
    assert.deepEqual([told?.anew, told?.volumes.map(({ name }) => name)], [16 * MIB, ['b']]);
    await assert.rejects(NbdClient.open({ path: pair.socket('source') }, 'a'), 'it never serves');
    await pair.ask('source', 'rejoin');
    await pair.identical('destination');
    pair.check('source');
    const point = { kind: 'snapshot', called: told?.keptAs };
    const mounted = await pair.ask<MountEntry>('source', 'mounts', { point, writable: false });
    assert.ok((await contentOf(mounted, 'b')).equals(old), 'what was there is kept');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
  });

  it('after it followed joins, too: what the other side has freed meanwhile is not needed (I10)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
    await pair.write('destination', 60);
    await pair.identical('destination');
    await pair.sites.until('all that is received being freed', () =>
      Promise.resolve(sealedIn(pair.sites.groupFolder('destination')).length === 0),
    );
    await pair.sites.stop('source', 'SIGKILL');
    const old = readFileSync(pair.sites.volume('source', 'b'));
    rmSync(pair.sites.path('source', 'buffer'), { recursive: true });
    rmSync(pair.sites.volume('source', 'a'));
    await pair.ask('destination', 'volumes/a/size', { size: 12 * MIB });
    await pair.write('destination', 60);
    await pair.sites.start('source', false);
    await pair.waits('source', 'group-lost');
    let told: RejoinAnswer | undefined;
    await pair.sites.until('the other side being heard', async () => {
      told = await pair.ask<RejoinAnswer>('source', 'rejoin');
      return true;
    });
    await pair.write('destination', 60);
    await pair.identical('destination');
    pair.check('source');
    const point = { kind: 'snapshot', called: told?.keptAs };
    const mounted = await pair.ask<MountEntry>('source', 'mounts', { point, writable: false });
    assert.ok((await contentOf(mounted, 'b')).equals(old), 'what was there is kept');
    await pair.ask('destination', 'switchover');
    await pair.isServed('source');
    await pair.write('source', 40);
    await pair.identical('source');
  });

  for (const choice of ['the other side’s', 'its own'] as const)
    it(`serves where it cannot hear of that at its first start; ${choice} data is chosen once it can (I10, I11)`, async () => {
      await pair.write('source');
      await pair.sites.inStep();
      await pair.sites.stop('source', 'SIGKILL');
      pair.cut();
      rmSync(pair.sites.path('source', 'buffer'), { recursive: true });
      rmSync(pair.sites.volume('source', 'a'));
      await pair.sites.start('source');
      const meanwhile = new StampedHost(9, { start: 4 * MIB, length: 4 * MIB }, 16 * 1024);
      assert.ok(
        await meanwhile.run({ path: pair.socket('source') }, 'a', 60),
        'a new pair must not wait for its line',
      );
      pair.join();
      const [told] = await pair.waits('source', 'status-refused');
      assert.match(told ?? '', /holds what another source .* `blockferry failover` .* `blockferry rejoin`/);
      assert.ok(await meanwhile.run({ path: pair.socket('source') }, 'a', 20), 'until somebody chooses');
      if (choice === 'its own') {
        await pair.sites.stop('destination');
        renameSync(pair.sites.groupFolder('destination'), pair.sites.path('destination', 'away'));
        await pair.sites.start('destination');
        await pair.identical('source');
        assert.deepEqual(
          meanwhile.check(readFileSync(pair.sites.volume('destination', 'a'))).slice(0, 3),
          [],
        );
        return;
      }
      await pair.ask('destination', 'failover');
      await pair.isServed('destination');
      await pair.waits('source', 'group-lost');
      await assert.rejects(NbdClient.open({ path: pair.socket('source') }, 'a'));
      await pair.write('destination', 60);
      const { keptAs } = await pair.ask<RejoinAnswer>('source', 'rejoin');
      await pair.identical('destination');
      pair.check('source');
      const point = { kind: 'snapshot', called: keptAs };
      const mounted = await pair.ask<MountEntry>('source', 'mounts', { point, writable: false });
      assert.deepEqual(
        meanwhile.check(await contentOf(mounted, 'a')).slice(0, 3),
        [],
        'what was written here is kept',
      );
    });

  it('as a destination, or that was set back, goes on without what its source has freed when that is said (I10)', async () => {
    await pair.write('source');
    await pair.sites.inStep();
    await pair.sites.stop('destination', 'SIGKILL');
    const [folder, backup] = [
      pair.sites.groupFolder('destination'),
      pair.sites.path('destination', 'backup'),
    ];
    cpSync(folder, backup, { recursive: true });
    const old = readFileSync(pair.sites.volume('destination', 'b'));
    await pair.sites.start('destination');
    await pair.write('source');
    await pair.ask('source', 'volumes/a/size', { size: 12 * MIB });
    for (const anew of [false, true]) {
      await pair.write('source', 60);
      await pair.identical('source');
      await pair.sites.until('all that is received being freed', () =>
        Promise.resolve(sealedIn(pair.sites.groupFolder('source')).length === 0),
      );
      await assert.rejects(pair.ask('destination', 'rejoin'), /NOT_DEPOSED/, 'it lacks nothing');
      await pair.sites.stop('destination', 'SIGKILL');
      rmSync(folder, { recursive: true });
      if (anew) rmSync(pair.sites.volume('destination', 'a'));
      else {
        cpSync(backup, folder, { recursive: true });
        writeFileSync(pair.sites.volume('destination', 'b'), old);
      }
      await pair.sites.start('destination');
      await pair.write('source', 60);
      await pair.waits('source', 'records-gone');
      let joined: RejoinAnswer | undefined;
      await pair.sites.until('the destination seeing what it lacks', async () => {
        joined = await pair.ask<RejoinAnswer>('destination', 'rejoin');
        return true;
      });
      const told = joined;
      assert.ok(told !== undefined);
      assert.equal(told.lacks?.first, anew ? 1 : told.fork.lsn + 1);
      await pair.identical('source');
      pair.check('destination');
      assert.equal(
        told.keptAs === undefined,
        anew,
        'it does not know of its volumes where its folder is new',
      );
      if (anew) break;
      const point = { kind: 'snapshot', called: told.keptAs };
      const mounted = await pair.ask<MountEntry>('destination', 'mounts', { point, writable: false });
      assert.ok((await contentOf(mounted, 'b')).equals(old), 'what was there is kept');
    }
    await pair.ask('source', 'switchover');
    await pair.isServed('destination');
  });
});

function sealedIn(folder: string): string[] {
  return readdirSync(join(folder, 'journal')).filter((name) => name.endsWith('.seg'));
}
