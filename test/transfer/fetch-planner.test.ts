import assert from 'node:assert/strict';
import fc from 'fast-check';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import {
  covered,
  offeredSegments,
  planFetch,
  uncovered,
  type FetchFacts,
  type OfferedSegment,
} from '../../src/transfer/fetch-planner.ts';
import { SEGMENT_SIZE_MAX } from '../../src/transfer/receiver/limits.ts';

const nameOf = (first: number, last = first + 9): string =>
  sealedName({ epoch: epoch(1), first: lsn(first), last: lsn(last) });
const listed = (...sizes: number[]): { name: string; size: number }[] =>
  sizes.map((size, index) => ({ name: nameOf(index * 10 + 1), size }));
const plan = (facts: Partial<FetchFacts>): string[] =>
  planFetch({ ...NOTHING, ...facts }).begin.map(({ name }) => name);

const NOTHING: FetchFacts = {
  now: 0,
  offered: [],
  received: lsn(0),
  here: new Set(),
  fetching: new Set(),
  fetched: new Map(),
  room: 1_000_000,
  slots: 10,
};

describe('what a fetcher does next', () => {
  const offered = offeredSegments(listed(100, 200, 300));
  const [one, two, three] = offered.map(({ name }) => name) as [string, string, string];

  it('takes for a segment only what has its name and a size that one can have (I12)', () => {
    const odd = [
      { name: 'notes.txt', size: 10 },
      { name: '../etc/passwd', size: 10 },
      { name: `${nameOf(31)}.part`, size: 10 },
      { name: nameOf(41), size: 0 },
      { name: nameOf(51), size: SEGMENT_SIZE_MAX + 1 },
      { name: nameOf(61), size: Number.NaN },
    ];
    assert.deepEqual(offeredSegments([...odd, ...listed(100, 200, 300).reverse()]), offered);
  });

  it('begins in order what is neither received nor here nor under way, as many as may be', () => {
    assert.deepEqual(plan({ offered }), [one, two, three]);
    assert.deepEqual(plan({ offered, slots: 2 }), [one, two]);
    assert.deepEqual(plan({ offered, received: lsn(10), here: new Set([two]) }), [three]);
    assert.deepEqual(plan({ offered, received: lsn(9), fetching: new Set([two]) }), [one, three]);
  });

  it('begins nothing behind what there is no room for', () => {
    assert.deepEqual(plan({ offered, room: 299 }), [one]);
    assert.deepEqual(planFetch({ ...NOTHING, offered, room: 299 }).tooLarge?.name, two);
    assert.deepEqual(plan({ offered, room: -1 }), []);
  });

  it('fetches again what is gone from the inbox and not received, more and more seldom, at least once a minute', () => {
    for (const [times, pause] of [
      [1, 2000],
      [2, 4000],
      [3, 8000],
      [50, 60_000],
    ] as const) {
      const fetched = new Map([[one, { at: 1000, times }]]);
      assert.deepEqual(plan({ offered, fetched, now: 999 + pause }), [two, three]);
      assert.deepEqual(plan({ offered, fetched, now: 1000 + pause }), [one, two, three]);
    }
  });

  it('removes what is covered to its last record, and nothing else (I5)', () => {
    const names = (segments: readonly OfferedSegment[]): string[] => segments.map(({ name }) => name);
    for (const [confirmed, gone] of [
      [0, []],
      [19, [one]],
      [20, [one, two]],
    ] as const) {
      assert.deepEqual(names(covered(offered, lsn(confirmed))), gone);
      assert.deepEqual(
        names([...covered(offered, lsn(confirmed)), ...uncovered(offered, lsn(confirmed))]),
        names(offered),
      );
    }
  });

  it('never begins more than the room and the slots, nor passes over what comes earlier', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 20 });
    const facts = fc.record({
      sizes,
      room: fc.integer({ min: -100, max: 5000 }),
      slots: fc.integer({ min: -1, max: 6 }),
    });
    fc.assert(
      fc.property(facts, fc.nat({ max: 200 }), ({ sizes: list, room, slots }, received) => {
        const all = offeredSegments(listed(...list));
        const { begin } = planFetch({ ...NOTHING, offered: all, room, slots, received: lsn(received) });
        assert.ok(begin.length <= Math.max(0, slots));
        assert.ok(begin.reduce((sum, { bytes }) => sum + bytes, 0) <= Math.max(0, room));
        assert.deepEqual(begin, uncovered(all, lsn(received)).slice(0, begin.length));
      }),
    );
  });
});
