import assert from 'node:assert/strict';
import fc from 'fast-check';
import { observed, rateOf, timeTo, type Trend } from '../../../src/daemon/alarms/alarm-trend.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Seen once a second, from `from` on. */
function seen(trend: Trend, from: number, values: readonly number[]): Trend {
  return values.reduce<Trend>((all, value, i) => observed(all, { at: from + i * SECOND, value }), trend);
}
const line = (count: number, start: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => start + i * step);
const roughly = (actual: number | undefined, expected: number): void =>
  assert.ok(Math.abs((actual ?? NaN) - expected) <= expected / 1000 + 1e-6, `${actual} is not ${expected}`);

describe('an estimate', () => {
  it('of a steady rate is exact', () => {
    const trend = seen([], 0, line(61, 600, -5));
    roughly(-(rateOf(trend) ?? 0), 5 / SECOND);
    roughly(timeTo(trend, 0), 60 * SECOND);
    roughly(timeTo(trend, 150), 30 * SECOND);
  });

  it('says nothing before enough was seen, of what stands still, and of what moves away', () => {
    assert.equal(timeTo([], 0), undefined);
    assert.equal(timeTo(seen([], 0, line(9, 100, -1)), 0), undefined);
    assert.equal(timeTo(seen([], 0, line(60, 100, 0)), 0), undefined);
    assert.equal(timeTo(seen([], 0, line(60, 100, 1)), 0), undefined);
  });

  it('of what is there already is that it is there', () => {
    assert.equal(timeTo(seen([], 0, line(60, 7, 0)), 7), 0);
  });

  it('follows a rate that changes: two minutes later the one before does not count', () => {
    const fast = seen([], 0, line(300, 1e6, -100));
    const slow = seen(fast, 300 * SECOND, line(122, 1e6 - 30_000, -1));
    roughly(-(rateOf(slow) ?? 0), 1 / SECOND);
    // On the way there it lies in between.
    const between = -(rateOf(seen(fast, 300 * SECOND, line(60, 1e6 - 30_000, -1))) ?? 0) * SECOND;
    assert.ok(between > 1 && between < 100, String(between));
  });

  it('of what would take for ever is none', () => {
    assert.equal(timeTo(seen([], 0, line(60, 1e12, -1)), 0), undefined);
  });

  it('begins anew after a sleep, and with a clock that began anew', () => {
    const trend = seen([], 1e9, line(60, 600, -5));
    assert.equal(observed(trend, { at: 1e9 + 2.1 * MINUTE, value: 5 }).length, 1);
    assert.equal(observed(trend, { at: 0, value: 5 }).length, 1);
  });

  it('remembers no more than two minutes take, however often it is told', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3000), fc.nat(1e9)), { maxLength: 1000 }), (steps) => {
        let at = 0;
        let trend: Trend = [];
        for (const [step, value] of steps) {
          at += step;
          trend = observed(trend, { at, value });
          assert.deepEqual(trend.at(-1), { at, value });
        }
        assert.ok(trend.length <= 243, String(trend.length));
        const left = timeTo(trend, 0);
        assert.ok(left === undefined || left >= 0);
      }),
      { numRuns: 50 },
    );
  });
});
