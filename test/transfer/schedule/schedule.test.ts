import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CLOSED, sameLimit, UNLIMITED, type Limit } from '../../../src/transfer/schedule/limit.ts';
import { Schedule, type Day, type Week, type Window } from '../../../src/transfer/schedule/schedule.ts';
import { DAY, HOUR, limitOn, MINUTE, wallClock, weeks } from './reference.ts';

const EVERY_DAY: readonly Day[] = [0, 1, 2, 3, 4, 5, 6];
const SUNDAY: Day = 6;
const SLOW: Limit = { kind: 'rate', bytesPerSecond: 250_000 };
const FAST: Limit = { kind: 'rate', bytesPerSecond: 2_500_000 };

const clock = (text: string): number => {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
};
const window = (days: readonly Day[], from: string, to: string, limit: Limit): Window => ({
  days,
  from: clock(from),
  to: clock(to),
  limit,
});
const scheduleOf = (timeZone: string, ...windows: Window[]): Schedule =>
  new Schedule({ timeZone, windows, outside: UNLIMITED });
const at = (text: string): number => Date.parse(text);
const when = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString().slice(0, 16);

/** Zone, and the days of 2026 on which its clocks are put forward and back. */
const ZONES = [
  ['America/New_York', '2026-03-08', '2026-11-01'],
  ['Europe/London', '2026-03-29', '2026-10-25'],
  ['Australia/Lord_Howe', '2026-10-04', '2026-04-05'],
] as const;

describe('A schedule', () => {
  it('holds a window from its first minute to the one before its last, in its own time zone', () => {
    const schedule = scheduleOf('Asia/Kolkata', window([0, 1], '08:00', '18:00', CLOSED));
    // Monday 08:00 in India is 02:30 UTC.
    assert.equal(schedule.limitAt(at('2026-11-23T02:29:59.999Z')).kind, 'unlimited');
    assert.equal(schedule.limitAt(at('2026-11-23T02:30:00Z')).kind, 'closed');
    assert.equal(schedule.limitAt(at('2026-11-23T12:29:59.999Z')).kind, 'closed');
    assert.equal(schedule.limitAt(at('2026-11-23T12:30:00Z')).kind, 'unlimited');
    assert.equal(schedule.limitAt(at('2026-11-25T03:00:00Z')).kind, 'unlimited', 'Wednesday');
    assert.equal(when(schedule.nextChange(at('2026-11-25T03:00:00Z'))), '2026-11-30T02:30');
  });

  it('carries a window past midnight, and past Sunday into Monday, from the day on which it begins', () => {
    const schedule = scheduleOf('UTC', window([SUNDAY], '22:00', '06:00', SLOW));
    assert.equal(when(schedule.nextChange(at('2026-11-22T12:00Z'))), '2026-11-22T22:00');
    assert.equal(schedule.limitAt(at('2026-11-23T05:59Z')).kind, 'rate');
    assert.equal(when(schedule.nextChange(at('2026-11-22T23:00Z'))), '2026-11-23T06:00');
    assert.equal(schedule.limitAt(at('2026-11-22T05:00Z')).kind, 'unlimited', 'the night before Sunday');
  });

  it('lets the window that is listed last hold where windows overlap, be it wider or narrower', () => {
    const week = window(EVERY_DAY, '00:00', '24:00', SLOW);
    const noon = window(EVERY_DAY, '12:00', '13:00', CLOSED);
    const open = window(EVERY_DAY, '12:15', '12:30', FAST);
    const schedule = scheduleOf('UTC', week, noon, open);
    const kinds = ['11:59', '12:00', '12:15', '12:30', '13:00'].map(
      (time) => schedule.limitAt(at(`2026-11-24T${time}Z`)).kind,
    );
    assert.deepEqual(kinds, ['rate', 'closed', 'rate', 'closed', 'rate']);
    assert.equal(scheduleOf('UTC', noon, week).nextChange(0), undefined);
  });

  it('never holds a window that ends when it begins, or that has no days, and holds 00:00 to 24:00 all day', () => {
    const empty = scheduleOf(
      'UTC',
      window(EVERY_DAY, '08:00', '08:00', CLOSED),
      window([], '08:00', '18:00', CLOSED),
    );
    assert.equal(empty.nextChange(0), undefined);
    assert.equal(empty.limitAt(at('2026-11-23T08:00Z')).kind, 'unlimited');
    const whole = scheduleOf('UTC', window([0], '00:00', '24:00', CLOSED));
    assert.equal(when(whole.nextChange(at('2026-11-23T00:00Z'))), '2026-11-24T00:00');
    assert.equal(when(whole.nextChange(at('2026-11-24T00:00Z'))), '2026-11-30T00:00');
  });

  it('says what holds outside all windows, and that it holds for ever when there are none', () => {
    const schedule = new Schedule({ timeZone: 'UTC', windows: [], outside: SLOW });
    assert.deepEqual(schedule.limitAt(0), SLOW);
    assert.equal(schedule.nextChange(0), undefined);
    assert.equal(schedule.nextOpening(5), 5);
    assert.equal(new Schedule({ timeZone: 'UTC', windows: [], outside: CLOSED }).nextOpening(5), undefined);
  });

  it('passes changes between kinds of closed-ness over when it looks for the next opening', () => {
    const schedule = new Schedule({
      timeZone: 'UTC',
      windows: [window([0, 1, 2, 3, 4], '20:00', '23:00', SLOW), window([2], '00:00', '24:00', CLOSED)],
      outside: CLOSED,
    });
    assert.equal(when(schedule.nextOpening(at('2026-11-24T23:00Z'))), '2026-11-26T20:00', 'not on Wednesday');
    assert.equal(schedule.nextOpening(at('2026-11-26T21:00Z')), at('2026-11-26T21:00Z'));
  });

  it('refuses a time zone that does not exist', () => {
    assert.throws(() => scheduleOf('Europe/Bern'), RangeError);
  });

  describe('when clocks are put forward', () => {
    it('does not hold a window that lies in the hour that is skipped', () => {
      const schedule = scheduleOf('America/New_York', window([SUNDAY], '02:15', '02:45', CLOSED));
      // 2026-03-08: from 02:00 EST (07:00 UTC) on it is 03:00 EDT.
      assert.equal(when(schedule.nextChange(at('2026-03-07T12:00Z'))), '2026-03-15T06:15');
    });

    it('begins a window that begins in the skipped hour, and ends one that ends there, at the end of that hour', () => {
      const begins = scheduleOf('Europe/London', window([SUNDAY], '01:30', '03:00', CLOSED));
      // 2026-03-29: from 01:00 GMT on it is 02:00 BST.
      assert.equal(when(begins.nextChange(at('2026-03-28T12:00Z'))), '2026-03-29T01:00');
      assert.equal(when(begins.nextChange(at('2026-03-29T01:00Z'))), '2026-03-29T02:00');
      const ends = scheduleOf('Europe/London', window([SUNDAY], '00:00', '01:30', CLOSED));
      assert.equal(when(ends.nextChange(at('2026-03-29T00:30Z'))), '2026-03-29T01:00');
    });

    it('skips half an hour on Lord Howe Island', () => {
      const schedule = scheduleOf('Australia/Lord_Howe', window([SUNDAY], '02:15', '03:00', CLOSED));
      // 2026-10-04: from 02:00 (+10:30, 15:30 UTC) on it is 02:30 (+11).
      assert.equal(when(schedule.nextChange(at('2026-10-03T12:00Z'))), '2026-10-03T15:30');
      assert.equal(when(schedule.nextChange(at('2026-10-03T15:30Z'))), '2026-10-03T16:00');
    });
  });

  describe('when clocks are put back', () => {
    it('holds a window that lies in the hour that comes twice, twice', () => {
      const schedule = scheduleOf('America/New_York', window([SUNDAY], '01:15', '01:45', CLOSED));
      // 2026-11-01: at 02:00 EDT (06:00 UTC) it is 01:00 EST again.
      let time = at('2026-10-31T12:00Z');
      const edges = Array.from({ length: 4 }, () => when((time = schedule.nextChange(time) ?? Number.NaN)));
      assert.deepEqual(edges, [
        '2026-11-01T05:15',
        '2026-11-01T05:45',
        '2026-11-01T06:15',
        '2026-11-01T06:45',
      ]);
    });

    it('closes again a window of whose end the clock was put back', () => {
      const schedule = scheduleOf('Europe/London', window([SUNDAY], '01:00', '01:30', CLOSED));
      // 2026-10-25: at 02:00 BST (01:00 UTC) it is 01:00 GMT again.
      assert.equal(when(schedule.nextChange(at('2026-10-25T00:30Z'))), '2026-10-25T01:00');
      assert.equal(schedule.limitAt(at('2026-10-25T01:00Z')).kind, 'closed');
    });

    it('repeats half an hour on Lord Howe Island', () => {
      const schedule = scheduleOf('Australia/Lord_Howe', window([SUNDAY], '01:30', '02:00', CLOSED));
      // 2026-04-05: at 02:00 (+11, 15:00 UTC) it is 01:30 (+10:30) again: one closed hour.
      assert.equal(when(schedule.nextChange(at('2026-04-04T12:00Z'))), '2026-04-04T14:30');
      assert.equal(when(schedule.nextChange(at('2026-04-04T14:30Z'))), '2026-04-04T15:30');
    });
  });
});

describe('Any schedule', () => {
  for (const [zone, ...shifts] of ZONES) {
    for (const day of shifts) {
      it(`says the same as the wall clock of ${zone} minute by minute, around ${day}`, () => {
        const start = at(`${day}T00:00Z`) - 2 * DAY;
        const wall = wallClock(zone, start, 12 * 24 * 60);
        fc.assert(
          fc.property(weeks(zone), fc.integer({ min: 0, max: 4 * 24 * 60 }), (week, minute) => {
            const schedule = new Schedule(week);
            const limits = wall.map((shown) => limitOn(week, shown));
            const now = limits[minute];
            assert.ok(now !== undefined);
            assert.deepEqual(schedule.limitAt(start + minute * MINUTE), now);
            assert.deepEqual(schedule.limitAt(start + (minute + 1) * MINUTE - 1), now);
            const change = limits.findIndex((limit, index) => index > minute && !sameLimit(limit, now));
            const next = schedule.nextChange(start + minute * MINUTE);
            if (change >= 0) assert.equal(next, start + change * MINUTE);
            else assert.ok(next === undefined || next >= start + limits.length * MINUTE);
            const open = limits.findIndex(({ kind }, index) => index >= minute && kind !== 'closed');
            const opening = schedule.nextOpening(start + minute * MINUTE);
            if (open >= 0) assert.equal(opening, start + open * MINUTE);
            else assert.ok(opening === undefined || opening >= start + limits.length * MINUTE);
          }),
          { numRuns: 150 },
        );
      });
    }

    it(`has the edges that the wall clock of ${zone} shows, through a whole year`, () => {
      const week: Week = {
        timeZone: zone,
        outside: UNLIMITED,
        windows: [
          window([0, 1, 2, 3, 4], '08:00', '18:00', SLOW),
          window([5, SUNDAY], '01:45', '02:50', CLOSED),
          window(EVERY_DAY, '23:00', '01:30', FAST),
        ],
      };
      const [start, end] = [at('2026-01-01T00:00Z'), at('2027-01-01T00:00Z')];
      const schedule = new Schedule(week);
      const edges: number[] = [];
      for (let time = schedule.nextChange(start); time !== undefined && time < end;) {
        edges.push(time);
        time = schedule.nextChange(time);
      }
      const limits = wallClock(zone, start, (end - start) / MINUTE).map((wall) => limitOn(week, wall));
      const expected = limits.flatMap((limit, index) => {
        const before = limits[index - 1];
        return before === undefined || sameLimit(before, limit) ? [] : [start + index * MINUTE];
      });
      assert.deepEqual(edges.map(when), expected.map(when));
      assert.ok(edges.length > 1200, `${edges.length} edges`);
    });
  }

  it('has an hour less of a nightly window in one night of the year, and an hour more in another', () => {
    const schedule = new Schedule({
      timeZone: 'Europe/London',
      outside: CLOSED,
      windows: [window(EVERY_DAY, '22:00', '06:00', UNLIMITED)],
    });
    const lengths = new Map<number, number>();
    let time = schedule.nextChange(at('2026-01-01T12:00Z')) ?? Number.NaN;
    for (let night = 0; night < 365; night += 1) {
      const end = schedule.nextChange(time) ?? Number.NaN;
      lengths.set((end - time) / HOUR, (lengths.get((end - time) / HOUR) ?? 0) + 1);
      time = schedule.nextOpening(end) ?? Number.NaN;
    }
    assert.deepEqual(Object.fromEntries(lengths), { 7: 1, 8: 363, 9: 1 });
  });
});
