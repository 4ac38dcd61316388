import assert from 'node:assert/strict';
import fc from 'fast-check';
import { planInbox } from '../../src/destage/inbox-plan.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';

const LAST = 60;
const range = fc
  .tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 0, max: 9 }), fc.constantFrom(1, 1, 1, 2))
  .map(([first, more, e]) => sealedName({ epoch: epoch(e), first: lsn(first), last: lsn(first + more) }));
const name = fc.oneof(
  { weight: 8, arbitrary: range },
  fc.constantFrom('x.seg.part', 'readme.txt', '.seg', '..'),
);
const listing = fc.uniqueArray(name, { maxLength: 30 });
const received = fc.integer({ min: 0, max: LAST });

describe('the inbox plan', () => {
  it('puts every name in one class, and next is never behind a hole (I3)', () => {
    fc.assert(
      fc.property(listing, received, (names, at) => {
        const plan = planInbox(names, lsn(at), epoch(1));
        const next = plan.next === undefined ? [] : [plan.next];
        const classes = [
          ...plan.duplicates,
          ...next,
          ...plan.early,
          ...plan.foreign.map(({ entry }) => entry),
        ];
        const parts = names.filter((entry) => entry.endsWith('.seg.part')).length;
        assert.equal(new Set(classes.map((entry) => entry.name)).size, classes.length);
        assert.equal(classes.length + plan.odd + parts, names.length);
        if (plan.next !== undefined) assert.equal(plan.next.range.first, at + 1);
        for (const { range } of plan.duplicates) assert.ok(range.last <= at);
        for (const { range } of plan.early) assert.ok(range.first > at && range.epoch === 1);
      }),
    );
  });

  it('names as missing exactly what lies between what is there', () => {
    fc.assert(
      fc.property(listing, received, (names, at) => {
        const plan = planInbox(names, lsn(at), epoch(1));
        const there = new Set<number>();
        let highest = at;
        for (const { range } of [...plan.early, ...(plan.next === undefined ? [] : [plan.next])]) {
          for (let i: number = range.first; i <= range.last; i += 1) there.add(i);
          highest = Math.max(highest, range.last);
        }
        const missing = new Set<number>();
        for (const { first, last } of plan.missing)
          for (let i: number = first; i <= last; i += 1) missing.add(i);
        for (let i = at + 1; i <= highest; i += 1)
          assert.notEqual(there.has(i), missing.has(i), `record ${i}`);
        assert.ok([...missing].every((i) => i > at && i < highest));
      }),
    );
  });
});
