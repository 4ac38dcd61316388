import assert from 'node:assert/strict';
import { SnapshotKeeper } from '../../../src/daemon/snapshots/snapshot-keeper.ts';
import { lsn } from '../../../src/journal/ids.ts';
import { nameAt } from '../../../src/journal/marker-names.ts';
import { OperatorError } from '../../../src/platform/errors.ts';
import type { SnapshotInfo } from '../../../src/recovery/snapshot-store.ts';
import { quiet } from '../../recovery/replica.ts';
import { SimulatedClock } from '../../transfer/simulated-clock.ts';

const POLICY = {
  last: 0,
  hourly: 0,
  daily: 2,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  maximum: undefined,
  timeZone: 'Europe/Zurich',
};
const MINUTE = 60_000;

function snapshotAt(text: string, position: number): SnapshotInfo {
  const time = Date.parse(text);
  return { id: String(position), name: nameAt(time), lsn: lsn(position), time, kind: 'reflink' };
}

describe('a destination’s retention', () => {
  // 23:30 UTC is the next day in Zurich.
  const all = ['2026-11-18T12:00Z', '2026-11-19T12:00Z', '2026-11-19T23:30Z', '2026-11-20T12:00Z'];

  function keeperOf(refusal?: string): {
    keeper: SnapshotKeeper;
    clock: SimulatedClock;
    left: () => string[];
  } {
    let snapshots = all.map((time, i) => snapshotAt(time, i + 1));
    const clock = new SimulatedClock();
    const kept = {
      list: () => Promise.resolve(snapshots),
      delete: (id: string) => {
        if (id === '1' && refusal !== undefined) return Promise.reject(new OperatorError(refusal, 'no'));
        snapshots = snapshots.filter((snapshot) => snapshot.id !== id);
        return Promise.resolve();
      },
    };
    const keeper = new SnapshotKeeper(clock, quiet, kept, POLICY);
    return { keeper, clock, left: () => snapshots.map(({ id }) => id) };
  }

  it('judges by the days of its time zone, and deletes nothing when it is only asked', async () => {
    const { keeper, left } = keeperOf();
    const verdicts = await keeper.judge();
    assert.deepEqual(
      verdicts.map(({ snapshot, keep }) => [snapshot.id, keep]),
      [
        ['4', true],
        ['3', false],
        ['2', true],
        ['1', false],
      ],
    );
    assert.equal(left().length, 4);
  });

  it('deletes what it does not want, once a minute, until it is stopped', async () => {
    const { keeper, clock, left } = keeperOf();
    keeper.start();
    await clock.pass(MINUTE - 1);
    assert.equal(left().length, 4);
    await clock.pass(1);
    assert.deepEqual(left(), ['2', '4']);
    await keeper.stop();
  });

  it('goes past a snapshot that is being read, and takes it later', async () => {
    const { keeper, clock, left } = keeperOf('SNAPSHOT_IN_USE');
    keeper.start();
    await clock.pass(2 * MINUTE);
    assert.deepEqual(left(), ['1', '2', '4']);
    await keeper.stop();
  });
});
