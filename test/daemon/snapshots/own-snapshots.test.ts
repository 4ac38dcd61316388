import assert from 'node:assert/strict';
import { OwnSnapshots } from '../../../src/daemon/snapshots/own-snapshots.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { isNameOfTime } from '../../../src/journal/marker-names.ts';
import { nodePlatform } from '../../../src/platform/node/platform.ts';
import type { SnapshotInfo } from '../../../src/recovery/snapshot-store.ts';

describe('a side’s own snapshots', () => {
  it('are made at their time only when something was added since the last', async () => {
    const made: SnapshotInfo[] = [];
    let applied = lsn(7);
    const own = new OwnSnapshots({
      platform: nodePlatform,
      list: () => Promise.resolve(made),
      create: ({ id, name }) => {
        made.push({ id, name, lsn: applied, time: 0, kind: 'reflink' });
        return Promise.resolve();
      },
      reached: () => applied,
    });
    await own.createIfNew();
    await own.createIfNew();
    assert.deepEqual(
      made.map(({ lsn: at, name }) => [at, isNameOfTime(name)]),
      [[7, true]],
    );
    applied = lsn(8);
    await own.createIfNew();
    assert.equal((await own.create('drill')).name, 'drill');
    assert.deepEqual(
      made.map(({ lsn: at }) => at),
      [7, 8, 8],
    );
  });
});
