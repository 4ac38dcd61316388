import assert from 'node:assert/strict';
import type { Limit } from '../../src/transfer/schedule/limit.ts';
import type { Party } from '../../src/transfer/schedule/fair-share.ts';
import type { Week } from '../../src/transfer/schedule/schedule.ts';
import { SharedLink, type SharedLinkSettings } from '../../src/transfer/shared-link.ts';
import { ThrottledTransport } from '../../src/transfer/throttled-transport.ts';
import { Turns } from '../../src/transfer/turns.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedSite, SimulatedTransport } from './simulated-site.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MB = 1_000_000;
const RATE = 250_000;
const SEGMENT = 16 << 20;

const rate = (bytesPerSecond: number): Limit => ({ kind: 'rate', bytesPerSecond });
const always = (limit: Limit): Week => ({ timeZone: 'UTC', windows: [], outside: limit });
const live = (stream: string, weight = 1): Party => ({ stream, weight, copying: false });
const copy = (stream: string, weight = 1): Party => ({ stream, weight, copying: true });

class Bench {
  readonly clock = new SimulatedClock();
  readonly line = new SimulatedTransport(this.clock, new SimulatedSite(this.clock));
  readonly allLinks: Turns;
  readonly link: SharedLink;
  #settings: SharedLinkSettings;
  #files = 0;
  readonly ended: string[] = [];
  readonly refused: string[] = [];

  constructor(settings: Partial<SharedLinkSettings>, cap = 64) {
    this.#settings = { week: undefined, files: 16, copyShare: 0.2, burstMax: SEGMENT, ...settings };
    this.allLinks = new Turns(cap, 0.5);
    this.link = new SharedLink(this.clock, this.allLinks, this.#settings);
  }

  /** Begins to send files of `bytes`, `parallel` at a time, for as long as the test lasts or `count` says. */
  load(
    party: Party,
    { bytes = 4 * MB, parallel = 1, count = Infinity, link = this.link } = {},
  ): AbortController {
    const stop = new AbortController();
    const transport = new ThrottledTransport(this.line, link, () => party);
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0 && !stop.signal.aborted) {
        const name = `${party.stream}-${this.#files++}`;
        await transport.put({ path: name, size: bytes }, `inbox/${name}`, { signal: stop.signal }).then(
          () => this.ended.push(name),
          (error: unknown) => this.refused.push(`${name}: ${String(error)}`),
        );
      }
    };
    for (let i = 0; i < parallel; i += 1) void work();
    return stop;
  }

  configure(change: Partial<SharedLinkSettings>): void {
    this.#settings = { ...this.#settings, ...change };
    this.link.configure(this.#settings);
  }

  bytes(from = 0, to = Infinity, stream = ''): number {
    return this.line.sent
      .filter(({ at, name }) => at >= from && at < to && name.startsWith(stream))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The most in any second, wherever it begins. */
  worstSecond(): number {
    const { sent } = this.line;
    let [worst, sum, first] = [0, 0, 0];
    for (const entry of sent) {
      sum += entry.bytes;
      for (; (sent[first]?.at ?? entry.at) <= entry.at - SECOND; first += 1) sum -= sent[first]?.bytes ?? 0;
      worst = Math.max(worst, sum);
    }
    return worst;
  }
}

const near = (actual: number, expected: number, within: number): void =>
  assert.ok(Math.abs(actual / expected - 1) <= within, `${actual} where ${expected} belong`);

describe('a rate', () => {
  it('is kept inside a file: in its every ten seconds within 5 %, and in every second within one burst', async () => {
    const bench = new Bench({ week: always(rate(RATE)) });
    bench.load(live('a'), { bytes: 16 * MB, count: 1 });
    await bench.clock.pass(70 * SECOND);
    assert.equal(bench.ended.length, 1);
    for (let from = 0; from < 60 * SECOND; from += 10 * SECOND)
      near(bench.bytes(from, from + 10 * SECOND), 10 * RATE, 0.05);
    const { burst } = bench.link.report();
    assert.equal(burst, RATE / 2);
    assert.ok(bench.worstSecond() <= RATE + burst, String(bench.worstSecond()));
  });

  it('is kept over an hour of files of all sizes from two streams, within 1 %', async () => {
    const bench = new Bench({ week: always(rate(RATE)) });
    bench.load(live('a'), { bytes: 777_777, parallel: 2 });
    bench.load(live('b'), { bytes: 12_345, parallel: 2 });
    await bench.clock.pass(HOUR);
    near(bench.bytes(0, HOUR), 3600 * RATE, 0.01);
    assert.ok(bench.worstSecond() <= RATE * 1.5);
  });

  it('saves up no more than a burst while nothing is sent, and a burst is never more than a segment', async () => {
    const bench = new Bench({ week: always(rate(800_000)), burstMax: 100_000 });
    assert.equal(bench.link.report().burst, 100_000);
    bench.load(live('a'), { bytes: 1000, count: 1 });
    await bench.clock.pass(HOUR);
    bench.load(live('a'), { bytes: 8 * MB, count: 1 });
    await bench.clock.pass(5 * SECOND);
    assert.ok(bench.bytes(HOUR) <= 5 * 800_000 + 100_000);
    assert.ok(bench.worstSecond() <= 900_000);
  });

  it('changes in the middle of a file, up, down and away, without cutting it', async () => {
    const bench = new Bench({ week: always(rate(RATE)) });
    bench.load(live('a'), { bytes: 30 * MB, count: 1 });
    await bench.clock.pass(20 * SECOND);
    bench.configure({ week: always(rate(2 * RATE)) });
    await bench.clock.pass(20 * SECOND);
    bench.configure({ week: always(rate(RATE / 10)) });
    await bench.clock.pass(20 * SECOND);
    near(bench.bytes(0, 20 * SECOND), 20 * RATE, 0.02);
    near(bench.bytes(20 * SECOND, 40 * SECOND), 40 * RATE, 0.02);
    near(bench.bytes(40 * SECOND, 60 * SECOND), 2 * RATE, 0.02);
    bench.configure({ week: undefined });
    await bench.clock.pass(20 * SECOND);
    assert.equal(bench.ended.length, 1);
    assert.equal(bench.line.attempts.length, 1, 'it was cut');
  });

  it('changes at the edge of its window, in the middle of a file', async () => {
    // Simulated time begins on a Tuesday at 22:13:20 UTC.
    const window = { days: [1], from: 22 * 60 + 14, to: 22 * 60 + 15, limit: rate(RATE / 5) } as const;
    const bench = new Bench({ week: { ...always(rate(RATE)), windows: [window] } });
    bench.load(live('a'), { bytes: 40 * MB, count: 1 });
    await bench.clock.pass(3 * MINUTE);
    near(bench.bytes(0, 40 * SECOND), 40 * RATE, 0.01);
    near(bench.bytes(40 * SECOND, 100 * SECOND), 12 * RATE, 0.01);
    near(bench.bytes(100 * SECOND, 160 * SECOND), 60 * RATE, 0.01);
    assert.equal(bench.line.attempts.length, 1);
  });
});

describe('a closed window', () => {
  const closed = { days: [1], from: 22 * 60 + 14, to: 22 * 60 + 15, limit: { kind: 'closed' } } as const;

  it('lets not one byte out, even of a file that nobody cuts', async () => {
    const bench = new Bench({ week: { ...always(rate(RATE)), windows: [closed] } });
    bench.load(live('a'), { bytes: 40 * MB, count: 1 });
    await bench.clock.pass(3 * MINUTE);
    assert.equal(bench.bytes(40 * SECOND, 100 * SECOND), 0);
    assert.ok(bench.bytes(39 * SECOND, 40 * SECOND) > 0 && bench.bytes(100 * SECOND, 101 * SECOND) > 0);
  });

  it('is told from its first to its last moment, with the next opening', async () => {
    const bench = new Bench({ week: { ...always({ kind: 'unlimited' }), windows: [closed] } });
    const told: string[] = [];
    bench.link.onChange(() => told.push(`${bench.clock.monotonic()} ${bench.link.limit.kind}`));
    assert.deepEqual(bench.link.report(), {
      limit: { kind: 'unlimited' },
      until: bench.clock.now() + 40 * SECOND,
    });
    await bench.clock.pass(40 * SECOND);
    assert.equal(
      bench.link.closure()?.message,
      'the schedule has the link closed until 2023-11-14 22:15 (UTC)',
    );
    const opensAt = bench.clock.now() + MINUTE;
    assert.deepEqual(bench.link.report(), { limit: { kind: 'closed' }, until: opensAt, opensAt });
    await bench.clock.pass(MINUTE);
    assert.deepEqual(told, ['40000 closed', '100000 unlimited']);
  });
});

describe('a year of nights', () => {
  it('has every byte in its window and none outside, through both changes of the clocks', async () => {
    const week: Week = {
      timeZone: 'America/New_York',
      outside: { kind: 'closed' },
      windows: [{ days: [0, 1, 2, 3, 4, 5, 6], from: 90, to: 100, limit: rate(10_000) }],
    };
    const bench = new Bench({ week });
    const [hour, start] = [
      new Intl.DateTimeFormat('en-GB', {
        timeZone: week.timeZone,
        hour: '2-digit',
        minute: '2-digit',
      }),
      bench.clock.now(),
    ];
    for (let day = 0; day < 366; day += 1) {
      bench.load(live('a'), { bytes: 50_000, count: 1 });
      await bench.clock.pass(24 * HOUR);
    }
    const nights = new Set<string>();
    for (const { at } of bench.line.sent) {
      const time = hour.format(start + at);
      assert.ok(time >= '01:30' && time < '01:40', `${new Date(start + at).toISOString()} is ${time} there`);
      nights.add(new Date(start + at).toISOString().slice(11, 13));
    }
    assert.equal(bench.bytes(), 366 * 50_000);
    assert.equal(bench.ended.length, 366);
    assert.deepEqual([...nights].sort(), ['05', '06'], 'the clocks never changed');
  });
});

describe('a delay between files', () => {
  it('sends one file at a time, and the next that much after it', async () => {
    const bench = new Bench({ week: always({ kind: 'delay', milliseconds: 5000 }) });
    bench.load(live('a'), { bytes: MB, parallel: 3 });
    bench.load(live('b'), { bytes: MB });
    await bench.clock.pass(MINUTE);
    assert.equal(bench.line.underWayMax, 1);
    // A file of 1 MB takes a second and one answer on the simulated line.
    const begun = bench.line.attempts.map(({ at }) => at);
    assert.deepEqual(
      begun,
      begun.map((_, index) => index * 6010),
    );
    assert.equal(begun.length, 10);
  });

  it('ends with its window: the others begin at once', async () => {
    const bench = new Bench({ week: always({ kind: 'delay', milliseconds: 10 * MINUTE }) });
    bench.load(live('a'), { bytes: MB, parallel: 3 });
    await bench.clock.pass(MINUTE);
    assert.equal(bench.line.attempts.length, 1);
    bench.configure({ week: undefined });
    await bench.clock.pass(100);
    assert.equal(bench.line.underWay, 3);
  });
});

describe('streams that share a link', () => {
  for (const parallel of [1, 3]) {
    it(`have their weights’ shares of its rate, ${parallel} files at a time`, async () => {
      const bench = new Bench({ week: always(rate(RATE)) });
      bench.load(live('heavy', 3), { parallel });
      bench.load(live('light', 1), { parallel });
      await bench.clock.pass(5 * MINUTE);
      near(bench.bytes(0, Infinity, 'heavy') / bench.bytes(0, Infinity, 'light'), 3, 0.05);
    });
  }

  it('have their weights’ shares of its files, where there is no rate, whatever their files’ sizes', async () => {
    const bench = new Bench({ files: 1 });
    bench.load(live('heavy', 3), { bytes: MB, parallel: 2 });
    bench.load(live('light', 1), { bytes: 250_000, parallel: 2 });
    await bench.clock.pass(5 * MINUTE);
    near(bench.bytes(0, Infinity, 'heavy') / bench.bytes(0, Infinity, 'light'), 3, 0.05);
    assert.equal(bench.line.underWayMax, 1);
  });

  it('let copies have what the operator leaves them, and all that live writes do not use', async () => {
    const bench = new Bench({ week: always(rate(RATE)), copyShare: 0.2 });
    bench.load(copy('copy', 9), { parallel: 4 });
    await bench.clock.pass(MINUTE);
    near(bench.bytes(0, MINUTE, 'copy'), 60 * RATE, 0.02);
    const writes = bench.load(live('live'));
    await bench.clock.pass(2 * MINUTE);
    near(bench.bytes(MINUTE, 3 * MINUTE, 'copy'), 0.2 * 120 * RATE, 0.05);
    near(bench.bytes(MINUTE, 3 * MINUTE, 'live'), 0.8 * 120 * RATE, 0.05);
    writes.abort();
    bench.configure({ copyShare: 0.5 });
    await bench.clock.pass(MINUTE);
    near(bench.bytes(3 * MINUTE, 4 * MINUTE, 'copy'), 60 * RATE, 0.02);
    bench.load(live('later'));
    await bench.clock.pass(MINUTE);
    near(bench.bytes(4 * MINUTE, 5 * MINUTE, 'later'), 0.5 * 60 * RATE, 0.05);
  });

  it('save up nothing while they have nothing to send', async () => {
    const bench = new Bench({ week: always(rate(RATE)) });
    const early = bench.load(live('a'));
    bench.load(live('b'));
    await bench.clock.pass(MINUTE);
    early.abort();
    await bench.clock.pass(10 * MINUTE);
    bench.load(live('a'));
    await bench.clock.pass(MINUTE);
    near(bench.bytes(11 * MINUTE, 12 * MINUTE, 'a'), 30 * RATE, 0.05);
  });

  it('begin no more files than their link may have, nor all links together', async () => {
    const bench = new Bench({ files: 3 }, 4);
    const second = new SharedLink(bench.clock, bench.allLinks, {
      week: undefined,
      files: 3,
      copyShare: 0.5,
      burstMax: SEGMENT,
    });
    bench.load(live('a'), { parallel: 5 });
    await bench.clock.pass(30 * SECOND);
    assert.equal(bench.line.underWayMax, 3);
    bench.load(live('b'), { parallel: 5, link: second });
    await bench.clock.pass(MINUTE);
    assert.equal(bench.line.underWayMax, 4);
    assert.ok(bench.bytes(30 * SECOND, Infinity, 'b') > MB);
    bench.allLinks.configure(6, 0.5);
    await bench.clock.pass(MINUTE);
    assert.equal(bench.line.underWayMax, 6);
  });

  it('give their place up when they are cancelled, waiting or under way, and not before they have ended', async () => {
    const bench = new Bench({ files: 1 });
    bench.line.lingers = 2000;
    const [first, second] = [bench.load(live('a'), { count: 1 }), bench.load(live('b'), { count: 1 })];
    bench.load(live('c'), { count: 1 });
    await bench.clock.pass(SECOND);
    second.abort();
    await bench.clock.pass(10);
    assert.match(bench.refused[0] ?? '', /^b-1: TransportError: /);
    first.abort();
    await bench.clock.pass(SECOND);
    assert.equal(bench.line.underWayMax, 1, 'another began while one was still being ended');
    await bench.clock.pass(10 * SECOND);
    assert.deepEqual(bench.ended, ['c-2']);
  });
});
