import assert from 'node:assert/strict';
import { CronTimes } from '../../src/recovery/cron-times.ts';

function firstTimes(pattern: string, timeZone: string, from: string, count: number): string[] {
  const times = new CronTimes(pattern, timeZone);
  const found: string[] = [];
  for (let at: number | undefined = Date.parse(from); found.length < count;) {
    at = times.after(at);
    if (at === undefined) break;
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

describe('times that come again', () => {
  it('are those of the pattern by the wall clock of the time zone, each after the one before', () => {
    const weekdays = firstTimes('30 2 * * mon-fri', 'Europe/Zurich', '2026-11-20T01:30:00Z', 3);
    assert.deepEqual(weekdays, ['2026-11-23T01:30', '2026-11-24T01:30', '2026-11-25T01:30']);
    const quarters = firstTimes('*/15 12 1 jan *', 'UTC', '2026-11-20T00:00:00Z', 2);
    assert.deepEqual(quarters, ['2027-01-01T12:00', '2027-01-01T12:15']);
  });

  it('come at the end of the hour that is skipped, and once where a time of day comes twice', () => {
    const spring = firstTimes('30 2 * * *', 'Europe/Zurich', '2026-03-28T12:00:00Z', 2);
    assert.deepEqual(spring, ['2026-03-29T01:00', '2026-03-30T00:30']);
    const autumn = firstTimes('30 2 * * *', 'Europe/Zurich', '2026-10-24T12:00:00Z', 2);
    assert.deepEqual(autumn, ['2026-10-25T00:30', '2026-10-26T01:30']);
  });

  it('come in both hours where they come every hour', () => {
    const hourly = firstTimes('0 * * * *', 'Europe/Zurich', '2026-10-24T23:30:00Z', 3);
    assert.deepEqual(hourly, ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00']);
  });

  for (const pattern of ['', 'daily', '@daily', '61 * * * *', '* * * * * *', '* * * *', '0 0 30 2 *']) {
    it(`are not named by ${JSON.stringify(pattern)}`, () => {
      assert.throws(() => new CronTimes(pattern, 'UTC'), Error);
    });
  }
});
