import assert from 'node:assert/strict';
import { BYTES, HOUR, LinkBench, MINUTE, SECOND, segment, segments } from './link-bench.ts';

const last = (list: readonly number[]): number => list.at(-1) ?? Number.NaN;

describe('link', () => {
  let bench: LinkBench;
  afterEach(async () => {
    const stopped = bench.link.stop();
    await bench.clock.pass(0);
    await stopped;
    bench.site.stop();
  });

  describe('on a line that works', () => {
    it('sends every segment once, in order, as many at a time as it may', async () => {
      bench = new LinkBench({ journal: segments(20), parallel: 3 });
      const report = await bench.started(10 * SECOND);
      assert.deepEqual(
        bench.begun(),
        [...Array(20).keys()].map((index) => index + 1),
      );
      assert.equal(bench.transport.underWayMax, 3);
      assert.equal(bench.link.received, 200);
      assert.deepEqual(
        { ...report, status: report.status?.applied, rate: 0 },
        {
          status: 200,
          state: 'idle',
          backlogSegments: 0,
          backlogBytes: 0,
          rate: 0,
          segmentsSent: 20,
          bytesSent: 20 * BYTES,
          waits: [],
        },
      );
    });

    it('takes nothing for received because the server took it: only the destination says so (I5)', async () => {
      bench = new LinkBench({ journal: segments(3), asleep: true });
      const report = await bench.started(10 * SECOND);
      assert.equal(report.segmentsSent, 3);
      assert.equal(bench.link.received, 0);
      assert.deepEqual(
        [report.state, report.backlogSegments, report.backlogBytes],
        ['waiting', 3, 3 * BYTES],
      );
      assert.deepEqual(bench.codes(), ['no-status']);
      bench.site.start();
      assert.equal((await bench.run(2 * SECOND)).state, 'idle');
      assert.equal(bench.link.received, 30);
    });

    it('begins to send at once when a segment is sealed, however idle it was, and soon asks what became of it', async () => {
      bench = new LinkBench();
      await bench.started(61_234);
      bench.seal(segment(1));
      await bench.run(0);
      assert.deepEqual(bench.begunAt(1), [61_234]);
      await bench.run(1200);
      assert.equal(bench.link.received, 10);
    });

    it('fills a slot that becomes free without waiting for the status to be read', async () => {
      bench = new LinkBench({ journal: segments(50), parallel: 2 });
      await bench.started(3 * SECOND);
      const gaps = bench.transport.attempts.map(({ at }, index, all) => at - (all[index - 2]?.at ?? at));
      assert.ok(
        Math.max(...gaps) <= 120,
        `a slot stood empty: ${Math.max(...gaps)} ms from one begin to the next`,
      );
    });

    it('reads the status often while something is unconfirmed, seldom while nothing is', async () => {
      bench = new LinkBench({ journal: segments(1), asleep: true });
      await bench.started(MINUTE);
      const busy = bench.transport.reads.length;
      assert.ok(busy >= 60 && busy <= 240, `${busy} reads in a minute`);
      bench.site.start();
      await bench.run(10 * SECOND);
      const before = bench.transport.reads.length;
      await bench.run(MINUTE);
      const idle = bench.transport.reads.length - before;
      assert.ok(idle >= 6 && idle <= 12, `${idle} reads in an idle minute`);
    });

    it('reads it soon again when it is likely to tell of progress, less often while that is overdue', async () => {
      bench = new LinkBench({ asleep: true });
      await bench.started(61_234);
      bench.seal(segment(1));
      await bench.run(2 * SECOND);
      const gapsFrom = (start: number): number[] =>
        bench.transport.reads
          .filter((at) => at >= start)
          .map((at, index, all) => at - (all[index - 1] ?? start));
      const [sent = 0, ...silent] = gapsFrom(61_334);
      assert.ok(sent <= 250, `${sent} ms after it was sent`);
      assert.ok(silent.length > 1 && silent.every((gap) => gap >= 500), `nothing moves: ${silent.join()}`);
      bench.site.applyUpTo = 0;
      bench.onStatus = (status) => bench.told.push({ ...status, writtenAt: last(bench.transport.reads) });
      bench.site.start();
      await bench.run(1500);
      const progress = bench.told.find(({ received }) => received === 10)?.writtenAt ?? Number.NaN;
      const [, soon = 0, later = 0] = gapsFrom(progress);
      assert.ok(soon <= 250 && later >= 500, `received, and not applied: ${soon}, ${later}`);
    });

    it('tells the rate of the last minute, without what was there already', async () => {
      bench = new LinkBench({ journal: segments(1, 10_000_000), parallel: 1 });
      bench.site.parts.set(segment(1).name, 9_000_000);
      const sending = await bench.started(1000);
      assert.equal(sending.state, 'sending');
      assert.ok(sending.rate > 800_000 && sending.rate <= 1_000_000, String(sending.rate));
      assert.equal((await bench.run(2 * MINUTE)).rate, 0);
    });

    it('passes on what the destination waits for', async () => {
      bench = new LinkBench({ journal: segments(1) });
      bench.site.waiting = {
        code: 'volume-offline',
        message: '/dev/sdb is not there',
        since: 1_700_000_000_100,
      };
      await bench.started(5 * SECOND);
      assert.deepEqual(bench.link.report().waits, [
        { code: 'destination: volume-offline', message: '/dev/sdb is not there', since: 1_700_000_000_100 },
      ]);
      bench.site.waiting = undefined;
      await bench.run(10 * SECOND);
      assert.deepEqual(bench.codes(), []);
    });

    it('skips a segment that is freed before its turn', async () => {
      bench = new LinkBench({ journal: segments(3, 1_000_000), parallel: 1 });
      await bench.started(500);
      bench.journal = bench.journal.filter(({ name }) => name !== segment(2).name);
      await bench.run(5 * SECOND);
      assert.deepEqual(bench.begun(), [1, 3]);
    });

    it('goes on when its caller cannot note a status, and says so', async () => {
      bench = new LinkBench({ journal: segments(5) });
      bench.onStatus = () => {
        throw new Error('ENOSPC: no space left on device');
      };
      await bench.started(10 * SECOND);
      assert.equal(bench.link.received, 50);
      assert.match(bench.wait('status-unnoted')?.message ?? '', /no space left/);
    });
  });

  describe('on a line that fails', () => {
    it('tries again after one to two seconds, then twice as long, up to a minute, and never gives up', async () => {
      bench = new LinkBench({ journal: segments(1), parallel: 1 });
      bench.transport.fault = (operation) => (operation === 'put' ? 'Timeout' : undefined);
      await bench.started(HOUR);
      const gaps = bench
        .begunAt(1)
        .map((at, index, all) => at - (all[index - 1] ?? at))
        .slice(1);
      // What comes on top is the next look at the inbox, at most half a second, and its time on the line.
      for (const [index, gap] of gaps.entries()) {
        const full = Math.min(MINUTE, 2000 * 2 ** index);
        assert.ok(gap >= full / 2 && gap <= full + 600, `pause ${index + 1} was ${gap} ms`);
      }
      assert.ok(gaps.length > 55, `${gaps.length} attempts in an hour`);
      assert.ok(last(bench.begunAt(1)) > HOUR - 61 * SECOND);
    });

    it('says why, since when and when it tries next, through an outage of an hour, and then drains in order', async () => {
      bench = new LinkBench({ journal: segments(2), parallel: 2 });
      await bench.started(5 * SECOND);
      bench.transport.fault = () => 'ConnectionLost';
      await bench.run(SECOND);
      for (let number = 3; number <= 42; number += 1) {
        bench.seal(segment(number));
        await bench.run(HOUR / 40);
        const wait = bench.wait('link-down');
        assert.equal(bench.link.report().state, 'failed');
        assert.match(wait?.message ?? '', /ConnectionLost/);
        assert.ok(
          (wait?.since ?? 0) <= bench.clock.now() - HOUR / 40 &&
            wait?.since === bench.wait('link-down')?.since,
        );
        assert.ok(
          (wait?.nextTryAt ?? 0) > bench.clock.now() && (wait?.nextTryAt ?? 0) <= bench.clock.now() + MINUTE,
        );
      }
      assert.ok(
        bench.wait('link-down')!.since <= bench.clock.now() - HOUR + SECOND,
        'since the outage began',
      );
      assert.deepEqual(bench.begun(), [1, 2], 'nothing is begun on a line that is known to be down');
      const tries = bench.transport.lists.length;
      assert.ok(tries < 150, `${tries} tries in an hour`);
      bench.transport.fault = () => undefined;
      const report = await bench.run(2 * MINUTE);
      assert.deepEqual(
        bench.begun(),
        [...Array(42).keys()].map((index) => index + 1),
      );
      assert.deepEqual([report.state, report.status?.received, report.waits], ['idle', 420, []]);
    });

    it('goes on from where a cut transfer was, without slowing down as long as it gets further', async () => {
      bench = new LinkBench({ journal: segments(1, 10_000_000), parallel: 1 });
      bench.transport.fault = (operation) => (operation === 'put' ? { cut: 1_000_000 } : undefined);
      await bench.started(2 * MINUTE);
      assert.equal(bench.link.received, 10);
      assert.deepEqual(
        bench.transport.attempts.map(({ from }) => from / 1_000_000),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      const gaps = bench
        .begunAt(1)
        .map((at, index, all) => at - (all[index - 1] ?? at))
        .slice(1);
      // The first two pauses are those of a line of which it is not known yet that it gets on.
      assert.ok(Math.max(...gaps.slice(2)) < 4000, `pauses: ${gaps.join(', ')}`);
    });

    it('does not send again what arrived although the answer was lost', async () => {
      bench = new LinkBench({ journal: segments(3), asleep: true });
      let lost = false;
      bench.transport.fault = (operation) => {
        if (operation !== 'put' || lost) return undefined;
        lost = true;
        return 'lost-answer';
      };
      await bench.started(MINUTE);
      assert.deepEqual(bench.begun(), [1, 2, 3]);
      assert.deepEqual(bench.codes(), ['no-status'], 'the listing settles what became of it');
    });

    it('looks into the inbox once more when an answer was lost while it looked', async () => {
      // The first segment fails at 30 ms, so the inbox is listed until 530 ms and the status read until 540 ms.
      const [first, second] = [segment(1), segment(2, 505_000)];
      bench = new LinkBench({ journal: [first, second], asleep: true });
      let failed = false;
      bench.transport.fault = (operation, name) => {
        if (operation !== 'put') return undefined;
        if (name === second.name) return 'lost-answer';
        if (failed) return undefined;
        failed = true;
        return 'ConnectionLost';
      };
      await bench.started(520);
      assert.deepEqual([bench.transport.lists.at(-1), bench.site.inbox.has(second.name)], [520, false]);
      await bench.run(MINUTE);
      assert.deepEqual(bench.begun(), [1, 2, 1]);
    });

    it('names one reason once, since its first failure, however many segments it holds up', async () => {
      bench = new LinkBench({ journal: [segment(1), segment(2, 900_000)], parallel: 2 });
      bench.transport.fault = (operation, name) => {
        if (operation !== 'put') return undefined;
        return name === segment(1).name ? 'Timeout' : { cut: 800_000 };
      };
      await bench.started(900);
      const [wait, ...others] = bench.link.report().waits;
      assert.deepEqual([wait?.code, others], ['link-down', []]);
      assert.equal((wait?.since ?? 0) - bench.clock.now(), 30 - 900);
    });

    it('lets a credential that is refused wait at the long end, and says that it will not mend by itself', async () => {
      bench = new LinkBench({ journal: segments(2) });
      bench.transport.fault = () => 'Auth';
      const report = await bench.started(SECOND);
      const wait = bench.wait('link-auth');
      assert.equal(report.state, 'failed');
      assert.match(wait?.message ?? '', /does not mend by itself/);
      const pause = (wait?.nextTryAt ?? 0) - bench.clock.now();
      assert.ok(pause >= 28 * SECOND && pause <= MINUTE, `${pause} ms`);
      bench.transport.fault = () => undefined;
      assert.equal((await bench.run(2 * MINUTE)).status?.received, 20);
    });

    for (const [code, wait] of [
      ['ConnectionLost', 'link-down'],
      ['Timeout', 'link-down'],
      ['Busy', 'link-busy'],
      ['NoSpace', 'destination-full'],
      ['Auth', 'link-auth'],
      ['Integrity', 'link-error'],
      ['BadName', 'link-error'],
      ['Protocol', 'link-error'],
    ] as const) {
      it(`calls ${code} ${wait}, and forgets it once the segment is through`, async () => {
        bench = new LinkBench({ journal: segments(1) });
        bench.transport.fault = (operation) => (operation === 'put' ? code : undefined);
        await bench.started(SECOND);
        assert.deepEqual(bench.codes(), [wait]);
        bench.transport.fault = () => undefined;
        assert.deepEqual((await bench.run(2 * MINUTE)).waits, []);
        assert.equal(bench.link.received, 10);
      });
    }

    it('holds back what follows a segment that cannot be sent, and still hears the destination', async () => {
      bench = new LinkBench({ journal: segments(30), parallel: 2 });
      bench.transport.fault = (operation, name) =>
        operation === 'put' && name === segment(5).name ? 'Exists' : undefined;
      await bench.started(10 * MINUTE);
      assert.equal(bench.link.received, 40);
      assert.ok(bench.begunAt(5).length <= 22, `${bench.begunAt(5).length} tries in ten minutes`);
      assert.ok(
        (bench.wait('link-error')?.since ?? 0) < bench.clock.now() - 9 * MINUTE,
        'since the first failure',
      );
      assert.ok(bench.transport.reads.length > 600);
    });

    it('says which segment file it cannot read, and goes on when it is back', async () => {
      bench = new LinkBench({ journal: segments(2), parallel: 1 });
      bench.vanished.add(segment(1).name);
      bench.transport.fault = (operation, name) =>
        operation === 'put' && bench.vanished.has(name) ? 'NotFound' : undefined;
      await bench.started(SECOND);
      assert.deepEqual(bench.codes(), ['segment-unreadable']);
      bench.vanished.clear();
      await bench.run(2 * MINUTE);
      assert.equal(bench.link.received, 20);
    });

    it('tells that it reads a segment’s file until the transfer has ended, though that is freed meanwhile', async () => {
      bench = new LinkBench({ journal: segments(1, 100 * BYTES), parallel: 1 });
      const { name } = segment(1);
      await bench.started(5 * SECOND);
      bench.journal = [];
      assert.equal(bench.link.isSending(name), true);
      await bench.run(10 * SECOND);
      assert.equal(bench.link.isSending(name), false);
    });

    it('takes the failure of a segment that was freed under its transfer for nothing', async () => {
      bench = new LinkBench({ journal: segments(1), parallel: 1 });
      bench.transport.fault = (operation) => {
        if (operation !== 'put') return undefined;
        bench.journal = [];
        return 'NotFound';
      };
      assert.deepEqual((await bench.started(10 * SECOND)).waits, []);
      assert.deepEqual(bench.warnings, []);
    });
  });
});
