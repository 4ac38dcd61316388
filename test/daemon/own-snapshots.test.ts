import assert from 'node:assert/strict';
import { OwnSnapshots } from '../../src/daemon/own-snapshots.ts';
import type { SnapshotFacts } from '../../src/destage/snapshots.ts';
import { lsn } from '../../src/journal/ids.ts';
import { isNameOfTime } from '../../src/journal/marker-names.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';

describe('a destination’s own snapshots', () => {
  it('are made at their time only when something was applied since the last', async () => {
    const made: SnapshotFacts[] = [];
    let applied = lsn(7);
    const group = {
      report: () => ({ facts: { state: { applied } } }),
      createSnapshot: ({ id, name }: { id: string; name: string }) => {
        made.push({ id, name, lsn: applied, time: 0, kind: 'reflink' });
        return Promise.resolve();
      },
    } as unknown as ConstructorParameters<typeof OwnSnapshots>[0]['group'];
    const own = new OwnSnapshots({ platform: nodePlatform, group, list: () => Promise.resolve(made) });
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
