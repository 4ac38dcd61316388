import assert from 'node:assert/strict';
import fc from 'fast-check';
import { judge, planInbox, type InboxEntry, type InboxStep } from '../../src/destage/inbox-plan.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { parseSealedName, sealedName } from '../../src/journal/names.ts';

const LAST = 60;
const range = fc
  .tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 0, max: 9 }), fc.constantFrom(1, 1, 1, 2))
  .map(([first, more, e]) => sealedName({ epoch: epoch(e), first: lsn(first), last: lsn(first + more) }));
const listing = fc.uniqueArray(range, { maxLength: 30 });
const received = fc.integer({ min: 0, max: LAST });

/** Takes every step that can be taken, as the inbox does: the steps, and what is left. */
function walk(
  names: readonly string[],
  at: number,
): { steps: InboxStep[]; left: InboxEntry[]; received: number } {
  const plan = planInbox(entriesOf(names), lsn(at), epoch(1));
  const steps = [...plan.foreign];
  let received = lsn(at);
  for (const [i, entry] of plan.queue.entries()) {
    const step = judge(entry, received);
    if (step === undefined) return { steps, left: plan.queue.slice(i), received };
    steps.push(step);
    if (step.kind === 'receive') received = entry.range.last;
  }
  return { steps, left: [], received };
}

function entriesOf(names: readonly string[]): InboxEntry[] {
  return names.map((name) => ({ name, range: parseSealedName(name)! }));
}

describe('the inbox plan', () => {
  it('puts every name in one class, and receives nothing behind a hole or twice (I3)', () => {
    fc.assert(
      fc.property(listing, received, (names, at) => {
        const { steps, left, received: end } = walk(names, at);
        const all = [...steps.map(({ entry }) => entry), ...left];
        assert.deepEqual(all.map((entry) => entry.name).sort(), [...names].sort());
        let reached = at;
        for (const { kind, entry } of steps) {
          if (kind === 'receive') {
            assert.equal(entry.range.first, reached + 1);
            reached = entry.range.last;
          } else if (kind === 'discard') assert.ok(entry.range.last <= reached && entry.range.epoch === 1);
          else assert.ok(entry.range.epoch !== 1 || entry.range.first <= reached);
        }
        assert.equal(reached, end);
        for (const { range } of left) assert.ok(range.first > end + 1 && range.epoch === 1);
      }),
    );
  });

  it('names as missing exactly what lies between what is there', () => {
    fc.assert(
      fc.property(listing, received, (names, at) => {
        const plan = planInbox(entriesOf(names), lsn(at), epoch(1));
        const there = new Set<number>();
        let highest = at;
        for (const { range } of plan.queue.filter((entry) => entry.range.first > at)) {
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
