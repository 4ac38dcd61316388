import assert from 'node:assert/strict';
import fc from 'fast-check';
import { lsn } from '../../src/journal/ids.ts';
import { nameAt } from '../../src/journal/marker-names.ts';
import { judgeRetention, RETENTION_PERIODS, type RetentionPolicy } from '../../src/recovery/retention.ts';
import type { SnapshotInfo } from '../../src/recovery/snapshot-store.ts';

const HOUR = 3_600_000;
const NOTHING: RetentionPolicy = {
  last: 0,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  maximum: undefined,
};
const utc = (time: number): number => time;

function snapshotAt(time: number, position: number, name?: string): SnapshotInfo {
  return {
    id: String(position).padStart(32, '0'),
    name: name ?? nameAt(time),
    lsn: lsn(position),
    time,
    kind: 'reflink',
  };
}

/** One an hour, so many of them, the last at `end`. */
function hours(count: number, end: string): SnapshotInfo[] {
  const last = Date.parse(end);
  return Array.from({ length: count }, (_, i) => snapshotAt(last - (count - 1 - i) * HOUR, i + 1));
}

function kept(snapshots: readonly SnapshotInfo[], policy: Partial<RetentionPolicy>, wall = utc): string[] {
  return judgeRetention(snapshots, { ...NOTHING, ...policy }, wall)
    .filter((verdict) => verdict.keep)
    .map(({ snapshot }) => new Date(snapshot.time).toISOString().slice(0, 16));
}

describe('retention', () => {
  it('keeps the newest of each hour, day, week, month and year that has one, newest first', () => {
    const snapshots = hours(24 * 400, '2026-11-21T09:30:00Z');
    assert.deepEqual(kept(snapshots, { last: 2 }), ['2026-11-21T09:30', '2026-11-21T08:30']);
    assert.deepEqual(kept(snapshots, { daily: 3 }), [
      '2026-11-21T09:30',
      '2026-11-20T23:30',
      '2026-11-19T23:30',
    ]);
    // Weeks end with Sunday.
    assert.deepEqual(kept(snapshots, { weekly: 3 }), [
      '2026-11-21T09:30',
      '2026-11-15T23:30',
      '2026-11-08T23:30',
    ]);
    assert.deepEqual(kept(snapshots, { monthly: 2, yearly: 2 }), [
      '2026-11-21T09:30',
      '2026-10-31T23:30',
      '2025-12-31T23:30',
    ]);
    assert.deepEqual(
      kept(snapshots, { hourly: 2, daily: 2 }),
      ['2026-11-21T09:30', '2026-11-21T08:30', '2026-11-20T23:30'],
      'rules add up',
    );
  });

  it('counts periods on the wall’s clock, and those alone that have a snapshot', () => {
    const snapshots = ['2026-03-01T04:30Z', '2026-03-03T04:30Z', '2026-03-03T05:30Z'].map((time, i) =>
      snapshotAt(Date.parse(time), i + 1),
    );
    assert.deepEqual(kept(snapshots, { daily: 3 }), ['2026-03-03T05:30', '2026-03-01T04:30']);
    const fiveHoursBehind = (time: number): number => time - 5 * HOUR;
    assert.deepEqual(kept(snapshots, { daily: 3 }, fiveHoursBehind), [
      '2026-03-03T05:30',
      '2026-03-03T04:30',
      '2026-03-01T04:30',
    ]);
  });

  it('keeps everything when no rule is set, and says why of each', () => {
    const verdicts = judgeRetention(hours(3, '2026-11-21T09:30:00Z'), NOTHING, utc);
    assert.deepEqual(
      verdicts.map(({ keep, why }) => [keep, why]),
      [
        [true, 'the newest, no rule is set'],
        [true, 'no rule is set'],
        [true, 'no rule is set'],
      ],
    );
  });

  it('takes the oldest beyond the maximum, but none that somebody named', () => {
    const snapshots = hours(6, '2026-11-21T09:30:00Z');
    snapshots[0] = snapshotAt(snapshots[0]!.time, 1, 'before-the-upgrade');
    const verdicts = judgeRetention(snapshots, { ...NOTHING, hourly: 5, maximum: 3 }, utc);
    assert.deepEqual(
      verdicts.map(({ snapshot, keep }) => [snapshot.lsn, keep]),
      [
        [6, true],
        [5, true],
        [4, false],
        [3, false],
        [2, false],
        [1, true],
      ],
    );
    assert.equal(verdicts[4]!.why, 'more than 3 (else kept: hourly)');
    assert.equal(verdicts[5]!.why, 'it has a name of its own');
  });

  it('judges by the journal’s order where the source’s clock was set back', () => {
    const snapshots = [
      snapshotAt(Date.parse('2026-11-21T09:30Z'), 1),
      snapshotAt(Date.parse('2026-11-20T09:30Z'), 2),
    ];
    assert.deepEqual(kept(snapshots, { last: 1 }), ['2026-11-20T09:30']);
  });

  it('never takes the newest or a named one, keeps to its maximum of others, and wants the same again of what it kept', () => {
    const count = fc.nat(5);
    const policies = fc.record({
      last: count,
      hourly: count,
      daily: count,
      weekly: count,
      monthly: count,
      yearly: count,
      maximum: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
    });
    const times = fc.array(fc.record({ hour: fc.nat(24 * 900), named: fc.boolean() }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(policies, times, (policy, moments) => {
        const snapshots = moments
          .toSorted((a, b) => a.hour - b.hour)
          .map(({ hour, named }, i) => snapshotAt(hour * HOUR, i + 1, named ? `by-hand-${i}` : undefined));
        const verdicts = judgeRetention(snapshots, policy, utc);
        assert.equal(verdicts.length, snapshots.length);
        assert.ok(verdicts[0]!.keep);
        const stay = verdicts.filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
        assert.ok(snapshots.filter(({ name }) => name.startsWith('by')).every((one) => stay.includes(one)));
        const spared = stay.filter((one, age) => age === 0 || one.name.startsWith('by')).length;
        assert.ok(stay.length <= Math.max(policy.maximum ?? Infinity, spared));
        const wanted = policy.last + RETENTION_PERIODS.reduce((sum, period) => sum + policy[period], 0);
        if (wanted > 0) assert.ok(stay.length <= wanted + spared);
        const again = judgeRetention(stay, policy, utc).filter(({ keep }) => !keep);
        assert.deepEqual(again, []);
      }),
      { numRuns: 300 },
    );
  });
});
