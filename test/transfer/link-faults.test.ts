import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TransportErrorCode } from '../../src/transfer/transport.ts';
import { LinkBench, MINUTE, SECOND, segment } from './link-bench.ts';
import type { Fault } from './simulated-site.ts';

/** What goes wrong next, and how many milliseconds until the thing after it. */
type Event =
  | { readonly kind: 'seal'; readonly count: number; readonly bytes: number }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly operations: readonly string[] }
  | {
      readonly kind:
        'well' | 'lose-inbox' | 'lose-oldest' | 'refuse-next' | 'replay' | 'garbage' | 'no-status';
    }
  | { readonly kind: 'destination-stops' | 'destination-starts' | 'full' | 'room' | 'restart' };

const codes: readonly TransportErrorCode[] = [
  'ConnectionLost',
  'Timeout',
  'Auth',
  'NoSpace',
  'Busy',
  'Protocol',
];
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('seal'),
    count: fc.integer({ min: 1, max: 6 }),
    bytes: fc.integer({ min: 1, max: 3_000_000 }),
  }),
  fc.record({
    kind: fc.constant('fault'),
    fault: fc.oneof(
      fc.constantFrom<Fault>(...codes),
      fc.constant<Fault>('lost-answer'),
      fc.record({ cut: fc.integer({ min: 0, max: 1_000_000 }) }),
    ),
    operations: fc.subarray(['put', 'readSmall', 'list'], { minLength: 1 }),
  }),
  fc.record({
    kind: fc.constantFrom(
      ...(['well', 'lose-inbox', 'lose-oldest', 'refuse-next', 'replay', 'garbage', 'no-status'] as const),
    ),
  }),
  fc.record({
    kind: fc.constantFrom(
      ...(['destination-stops', 'destination-starts', 'full', 'room', 'restart'] as const),
    ),
  }),
);
const story = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 20_000 })), { maxLength: 25 });

/** Plays a story, watching over what must never be; then everything is well again. */
class Play {
  bench = new LinkBench();
  #sealed = 0;
  #first: Buffer | undefined;

  constructor() {
    this.#fault(() => undefined);
    this.bench.link.start();
  }

  async act(what: Event): Promise<void> {
    const { site, link } = this.bench;
    this.#first ??= site.status;
    switch (what.kind) {
      case 'seal':
        for (let count = 0; count < what.count; count += 1)
          this.bench.seal(segment((this.#sealed += 1), what.bytes));
        return;
      case 'fault':
        this.#fault((operation) => (what.operations.includes(operation) ? what.fault : undefined));
        return;
      case 'well':
        this.#fault(() => undefined);
        return;
      case 'lose-inbox':
        site.inbox.clear();
        return;
      case 'lose-oldest':
        for (const name of [...site.inbox.keys()].slice(0, 1)) site.inbox.delete(name);
        return;
      case 'refuse-next': {
        let left = 1;
        site.refuse = () => ((left -= 1) >= 0 ? 'DIGEST: a byte was changed' : undefined);
        return;
      }
      case 'replay':
        if (this.#first !== undefined) site.status = this.#first;
        return;
      case 'garbage':
        site.status = Buffer.from('garbage');
        return;
      case 'no-status':
        site.status = undefined;
        return;
      case 'destination-stops':
        site.stop();
        return;
      case 'destination-starts':
        site.stop();
        await this.bench.clock.pass(100);
        site.start();
        return;
      case 'full':
      case 'room':
        site.full = what.kind === 'full';
        return;
      case 'restart': {
        const stopped = link.stop();
        await this.bench.clock.pass(0);
        await stopped;
        const initial = this.bench.told.at(-1);
        this.#check();
        this.bench = new LinkBench({ after: this.bench, ...(initial && { initial }) });
        this.#fault(() => undefined);
        this.bench.link.start();
      }
    }
  }

  /** Everything that was sealed is received. */
  async endWell(): Promise<void> {
    this.#fault(() => undefined);
    await this.act({ kind: 'room' });
    await this.act({ kind: 'destination-starts' });
    // Megabytes may be left of a long story, and everything to be sent again.
    for (let minute = 0; minute < 30 && this.bench.site.received < this.#sealed * 10; minute += 1)
      await this.bench.run(MINUTE);
    await this.bench.run(2 * MINUTE);
    const report = this.bench.link.report();
    assert.equal(this.bench.site.received, this.#sealed * 10);
    assert.equal(this.bench.link.received, this.#sealed * 10, 'the source knows it');
    assert.deepEqual([report.state, report.waits, report.backlogSegments], ['idle', [], 0]);
    this.#check();
    await this.bench.link.stop();
    this.bench.site.stop();
  }

  /** From here on `fault` goes wrong. What is sent is watched in any case. */
  #fault(fault: LinkBench['transport']['fault']): void {
    const { transport, link, journal } = this.bench;
    transport.fault = (operation, name) => {
      const begun = journal.find((each) => each.name === name);
      if (operation === 'put') {
        assert.ok(
          begun !== undefined && begun.range.last > link.received,
          `${name} is sent although it is received`,
        );
      }
      return fault(operation, name);
    };
  }

  #check(): void {
    const { told, transport } = this.bench;
    assert.ok(transport.underWayMax <= 3);
    const sequences = told.map(({ sequence }) => sequence);
    const rising = [...new Set(sequences)].sort((a, b) => a - b);
    assert.deepEqual(sequences, rising, 'a status was told twice, or an older one (I12)');
  }
}

describe('link under faults', () => {
  it('has everything received once the faults stop, sends nothing that is confirmed, and believes no replay (I5, I12)', async () => {
    await fc.assert(
      fc.asyncProperty(story, async (events) => {
        const play = new Play();
        for (const [what, then] of events) {
          await play.act(what);
          await play.bench.run(then);
        }
        await play.endWell();
      }),
      { numRuns: 150 },
    );
  });

  it('sends each segment of a quiet line exactly once, whatever their sizes and number', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4_000_000 }), { minLength: 1, maxLength: 30 }),
        async (sizes) => {
          const bench = new LinkBench({ journal: sizes.map((bytes, index) => segment(index + 1, bytes)) });
          await bench.started(2 * MINUTE + sizes.length * SECOND);
          assert.equal(bench.link.received, sizes.length * 10);
          assert.deepEqual(
            bench.begun(),
            sizes.map((_, index) => index + 1),
          );
          await bench.link.stop();
          bench.site.stop();
        },
      ),
      { numRuns: 30 },
    );
  });
});
