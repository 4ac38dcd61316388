import assert from 'node:assert/strict';
import fc from 'fast-check';
import { lsn } from '../../src/journal/ids.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import {
  afterStatus,
  GRACE,
  isStalled,
  outstanding,
  reconcile,
  refusalOf,
  segmentsToSend,
  STALLED,
  type Delivery,
  type LinkSegment,
  type ReconcileFacts,
  type SendFacts,
} from '../../src/transfer/planner.ts';
import { said, segment, segments } from './link-bench.ts';

const NOW = 1_000_000;

const delivery = (facts: Partial<Delivery> = {}): Delivery => ({
  at: NOW - 1000,
  witness: 9,
  refusal: undefined,
  sends: 1,
  ...facts,
});

const deliveredAs = (entries: Record<number, Partial<Delivery>>): Map<string, Delivery> =>
  new Map(Object.entries(entries).map(([number, facts]) => [segment(Number(number)).name, delivery(facts)]));

const numbers = (list: readonly { readonly range: { readonly last: number } }[]): number[] =>
  list.map(({ range }) => range.last / 10);
const rangeOf = (number: number): LinkSegment['range'] => segment(number).range;
const refusedAt = (number: number, at: number): DestinationStatus['refused'][number] => ({
  ...rangeOf(number),
  reason: 'DIGEST',
  at,
});

function toSend(facts: Partial<SendFacts>): number[] {
  const none = new Map<string, Delivery>();
  const given = { segments: segments(5), deliveries: none, sending: none, status: said() };
  const all = { now: NOW, ...given, slots: 9, ahead: Infinity };
  return numbers(segmentsToSend({ ...all, ...facts }));
}

function reconciled(facts: Partial<ReconcileFacts>): Map<number, Delivery> {
  const journal = segments(5);
  const left = reconcile({
    segments: journal,
    deliveries: new Map(),
    status: said(),
    statusIsFresh: true,
    listing: new Map(),
    listedAt: NOW,
    ...facts,
  });
  return new Map(
    [...left].map(([name, value]) => [journal.findIndex((each) => each.name === name) + 1, value]),
  );
}

describe('planner', () => {
  describe('what is sent', () => {
    it('is what was not, from the earliest on, as far as there are slots', () => {
      assert.deepEqual(toSend({}), [1, 2, 3, 4, 5]);
      assert.deepEqual(toSend({ slots: 2 }), [1, 2]);
      assert.deepEqual(toSend({ slots: 0 }), []);
      assert.deepEqual(
        toSend({ sending: new Set([segment(1).name]), deliveries: deliveredAs({ 2: {} }) }),
        [3, 4, 5],
      );
    });

    it('is no more than may be ahead of what is received, but one segment at the least', () => {
      const [{ bytes } = { bytes: 0 }] = segments(1);
      assert.deepEqual(toSend({ ahead: 3 * bytes }), [1, 2, 3]);
      assert.deepEqual(toSend({ ahead: 3 * bytes, status: said({ received: lsn(10) }) }), [2, 3, 4]);
      assert.deepEqual(toSend({ ahead: 2 * bytes, deliveries: deliveredAs({ 1: {}, 2: {} }) }), []);
      // What is ahead does not keep what comes before it from being sent again.
      assert.deepEqual(toSend({ ahead: 2 * bytes, deliveries: deliveredAs({ 2: {} }) }), [1]);
      assert.deepEqual(toSend({ ahead: 1 }), [1]);
    });

    it('is never what is received', () => {
      assert.deepEqual(toSend({ status: said({ received: lsn(30) }) }), [4, 5]);
      assert.deepEqual(
        toSend({ status: said({ received: lsn(29) }) }),
        [3, 4, 5],
        'half received is not received',
      );
    });

    it('is nothing while the destination is full', () => {
      assert.deepEqual(toSend({ status: said({ full: true }) }), []);
    });

    it('is everything while the destination has said nothing yet', () => {
      assert.deepEqual(toSend({ status: undefined }), [1, 2, 3, 4, 5]);
    });
  });

  describe('what is sent again', () => {
    const deliveries = deliveredAs({ 1: {}, 2: {}, 3: {}, 4: {}, 5: {} });
    const missing = [{ first: lsn(15), last: lsn(35) }];

    it('is what a status from after the delivery misses, with every segment that holds a part of it', () => {
      assert.deepEqual(toSend({ deliveries, status: said({ missing }) }), [2, 3, 4]);
    });

    it('is nothing on the word of a status that may be from before the delivery', () => {
      const unread = deliveredAs({
        1: {},
        2: { witness: undefined },
        3: { witness: 10 },
        4: { witness: 11 },
        5: {},
      });
      assert.deepEqual(toSend({ deliveries: unread, status: said({ missing }) }), []);
    });

    it('is what was refused since the send began', () => {
      const again = deliveredAs({ 1: {}, 2: { refusal: 77 }, 3: { refusal: 77 }, 4: {}, 5: {} });
      const refused = [refusedAt(2, 77), refusedAt(3, 77), refusedAt(3, 78)];
      assert.deepEqual(toSend({ deliveries: again, status: said({ refused }) }), [3]);
      assert.equal(refusalOf(segment(3), said({ refused })), 78);
      assert.equal(refusalOf(segment(4), said({ refused })), undefined);
    });

    it('waits longer with every time, from the second on, up to a minute', () => {
      for (const [sends, pause] of [
        [0, 0],
        [1, 0],
        [2, 2000],
        [3, 4000],
        [7, 60_000],
        [1000, 60_000],
      ] as const) {
        const status = said({ missing: [rangeOf(1)] });
        const sent = (age: number): number[] =>
          toSend({
            segments: [segment(1)],
            deliveries: deliveredAs({ 1: { sends, at: NOW - age } }),
            status,
          });
        assert.deepEqual(sent(pause), [1]);
        if (pause > 0) assert.deepEqual(sent(pause - 1), []);
      }
    });
  });

  describe('a status', () => {
    it('becomes the witness of what was delivered before it was read, once', () => {
      const before = deliveredAs({
        1: { witness: undefined, at: 99 },
        2: { witness: undefined, at: 100 },
        3: { witness: 3, at: 99 },
      });
      const left = afterStatus(before, segments(5), said({ sequence: 12 }), 100);
      assert.deepEqual(
        [...left.values()].map(({ witness }) => witness),
        [12, undefined, 3],
      );
    });

    it('ends the deliveries that it confirms, and those of segments that are gone', () => {
      const left = afterStatus(
        deliveredAs({ 1: {}, 2: {}, 3: {} }),
        [segment(1), segment(2)],
        said({ received: lsn(10) }),
        NOW,
      );
      assert.deepEqual([...left.keys()], [segment(2).name]);
    });
  });

  describe('a look into the inbox', () => {
    const old = { at: NOW - GRACE };
    const listing = (entries: Record<number, number>): Map<string, number> =>
      new Map(Object.entries(entries).map(([number, bytes]) => [segment(Number(number)).name, bytes]));

    it('counts as delivered what lies there whole, whoever sent it', () => {
      const found = reconciled({ listing: listing({ 2: segment(2).bytes, 3: segment(3).bytes - 1 }) });
      assert.deepEqual([...found], [[2, { at: NOW, witness: 10, refusal: undefined, sends: 0 }]]);
    });

    it('takes for lost what is neither there nor confirmed, once it must have been seen', () => {
      const found = reconciled({
        deliveries: deliveredAs({ 1: old, 2: { at: NOW - GRACE + 1 }, 3: { at: NOW + 50 } }),
      });
      assert.deepEqual([...found.keys()], [2, 3]);
    });

    it('takes nothing for lost on the word of a status that could not be read', () => {
      const found = reconciled({
        deliveries: deliveredAs({ 1: old }),
        statusIsFresh: false,
        listing: listing({ 2: segment(2).bytes }),
      });
      assert.deepEqual([...found.keys()], [1, 2]);
      assert.equal(found.get(2)?.witness, undefined);
    });

    it('takes for no loss what was refused, and so is not there', () => {
      const status = said({ refused: [refusedAt(1, 5), refusedAt(2, 5)] });
      const found = reconciled({ deliveries: deliveredAs({ 1: { ...old, refusal: 5 }, 2: old }), status });
      assert.deepEqual([...found.keys()], [2]);
    });

    it('is due when something was delivered and nothing was heard for a while', () => {
      const waiting = deliveredAs({ 1: { at: NOW - STALLED } });
      assert.equal(isStalled(waiting, NOW - STALLED, NOW), true);
      assert.equal(isStalled(waiting, NOW - STALLED + 1, NOW), false);
      assert.equal(isStalled(deliveredAs({ 1: {} }), 0, NOW), false);
      assert.equal(isStalled(new Map(), 0, NOW), false);
    });
  });

  describe('whatever the facts', () => {
    const COUNT = 12;
    const journal = segments(COUNT);
    const number = fc.integer({ min: 1, max: COUNT });
    const sequence = fc.integer({ min: 1, max: 4 });
    const status = fc.option(
      fc
        .record({
          sequence,
          received: fc.integer({ min: 0, max: COUNT * 10 }).map(lsn),
          missing: fc.array(number.map(rangeOf), { maxLength: 3 }),
          refused: fc.array(
            fc.tuple(number, fc.integer({ min: 1, max: 3 })).map((pair) => refusedAt(...pair)),
            { maxLength: 3 },
          ),
          full: fc.boolean(),
        })
        .map(said),
      { nil: undefined },
    );
    const deliveries = fc
      .array(
        fc.tuple(
          number.map((value) => segment(value).name),
          fc.record({
            at: fc.integer({ min: NOW - 70_000, max: NOW }),
            witness: fc.option(sequence, { nil: undefined }),
            refusal: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
            sends: fc.integer({ min: 0, max: 8 }),
          }),
        ),
      )
      .map((entries) => new Map<string, Delivery>(entries));
    const facts: fc.Arbitrary<SendFacts> = fc.record({
      now: fc.constant(NOW),
      segments: fc.constant(journal),
      deliveries,
      sending: fc.array(number.map((value) => segment(value).name)).map((names) => new Set(names)),
      status,
      slots: fc.integer({ min: 0, max: COUNT }),
      ahead: fc.constant(Infinity),
    });

    it('nothing that is confirmed or under way is sent, nor more than there are slots', () => {
      fc.assert(
        fc.property(facts, (given) => {
          const chosen = segmentsToSend(given);
          assert.ok(chosen.length <= given.slots);
          const left = outstanding(journal, given.status);
          for (const each of chosen) assert.ok(left.includes(each) && !given.sending.has(each.name));
        }),
      );
    });

    it('what is sent is in order, and nothing is passed over but what is delivered or under way', () => {
      fc.assert(
        fc.property(facts, (given) => {
          const chosen = numbers(segmentsToSend(given));
          assert.deepEqual(
            chosen,
            chosen.toSorted((a, b) => a - b),
          );
          for (const each of outstanding(journal, given.status)) {
            if (each.range.last / 10 > (chosen.at(-1) ?? 0) || chosen.includes(each.range.last / 10))
              continue;
            assert.ok(given.deliveries.has(each.name) || given.sending.has(each.name));
          }
        }),
      );
    });

    it('what was delivered is sent again only on the word of a newer status', () => {
      fc.assert(
        fc.property(facts, (given) => {
          for (const { name } of segmentsToSend(given)) {
            const before = given.deliveries.get(name);
            if (before === undefined) continue;
            assert.ok(before.witness !== undefined && (given.status?.sequence ?? 0) > before.witness);
          }
        }),
      );
    });

    it('a look into the inbox makes nothing delivered that neither it nor an earlier send shows', () => {
      fc.assert(
        fc.property(facts, fc.boolean(), fc.array(number), (given, statusIsFresh, there) => {
          const listing = new Map(there.map((value) => [segment(value).name, segment(value).bytes]));
          const left = reconcile({ ...given, statusIsFresh, listing, listedAt: NOW });
          for (const name of left.keys()) assert.ok(given.deliveries.has(name) || listing.has(name));
          for (const { name } of outstanding(journal, given.status)) {
            if (listing.has(name)) assert.ok(left.has(name));
          }
        }),
      );
    });
  });
});
