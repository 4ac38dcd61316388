import assert from 'node:assert/strict';
import type { Limit } from '../../src/transfer/schedule/limit.ts';
import type { Week } from '../../src/transfer/schedule/schedule.ts';
import { HOUR, LinkBench, MINUTE, SECOND, segment, segments } from './link-bench.ts';

const CLOSED: Limit = { kind: 'closed' };
/** Simulated time begins on a Tuesday at 22:13:20 UTC; closed from 40 seconds later on, for as long. */
const closedFor = (minutes: number, outside: Limit = { kind: 'unlimited' }): Week => ({
  timeZone: 'UTC',
  outside,
  windows: [{ days: [1], from: 22 * 60 + 14, to: 22 * 60 + 14 + minutes, limit: CLOSED }],
});
const EDGE = 40 * SECOND;

describe('link with a schedule', () => {
  let bench: LinkBench;
  afterEach(async () => {
    const stopped = bench.link.stop();
    await bench.clock.pass(0);
    await stopped;
    bench.shared.stop();
    bench.site.stop();
  });

  it('asks and sends nothing at all while it is closed, and says until when', async () => {
    bench = new LinkBench({ journal: segments(3), week: closedFor(30) });
    await bench.started(EDGE + SECOND);
    assert.equal(bench.link.received, 30);
    const asked = bench.transport.reads.length + bench.transport.lists.length;
    bench.seal(segment(4), segment(5));
    const report = await bench.run(25 * MINUTE);
    assert.equal(bench.transport.reads.length + bench.transport.lists.length, asked);
    assert.deepEqual(bench.begun(), [1, 2, 3]);
    assert.deepEqual([report.state, report.backlogSegments], ['waiting', 2]);
    const start = bench.clock.now() - bench.clock.monotonic();
    assert.deepEqual(report.waits, [
      {
        code: 'schedule-closed',
        message: 'the schedule has the link closed until 2023-11-14 22:44 (UTC)',
        since: start + EDGE,
        endsAt: start + EDGE + 30 * MINUTE,
      },
    ]);
    assert.deepEqual(bench.warnings, []);
  });

  it('goes on by itself within a second of the opening', async () => {
    bench = new LinkBench({ week: closedFor(30) });
    await bench.started(2 * MINUTE);
    bench.seal(...segments(5));
    const open = EDGE + 30 * MINUTE;
    await bench.run(open - bench.clock.monotonic() + 10 * SECOND);
    assert.equal(bench.link.received, 50);
    const [first = 0] = bench.begunAt(1);
    assert.ok(first >= open && first < open + SECOND, `${first - open} ms after the opening`);
    assert.deepEqual(bench.codes(), []);
  });

  it('cuts what is under way at the edge, goes on from there at the opening, and calls neither a failure', async () => {
    bench = new LinkBench({ week: closedFor(30), parallel: 2 });
    await bench.started(EDGE - 3 * SECOND);
    bench.seal(segment(1, 10_000_000), segment(2, 10_000_000));
    await bench.run(4 * SECOND);
    assert.equal(bench.transport.underWay, 0);
    assert.equal(bench.transport.closed, 1);
    assert.deepEqual(bench.codes(), ['schedule-closed']);
    await bench.run(HOUR);
    assert.deepEqual(
      bench.transport.sent.filter(({ at }) => at > EDGE && at < EDGE + 30 * MINUTE),
      [],
    );
    assert.equal(bench.link.received, 20);
    assert.deepEqual(bench.begun(), [1, 2, 1, 2]);
    const resumed = bench.transport.attempts.slice(2).map(({ from }) => from);
    assert.ok(
      resumed.every((from) => from > 2_000_000),
      `begun again: ${resumed.join(', ')}`,
    );
    assert.deepEqual(bench.warnings, []);
    assert.equal(bench.link.report().bytesSent, 20_000_000);
  });

  it('sends once what was published just as it closed', async () => {
    bench = new LinkBench({ week: closedFor(5) });
    await bench.started(EDGE - SECOND);
    bench.transport.fault = (operation) => (operation === 'put' ? 'lost-answer' : undefined);
    // It ends at the edge: published, and nobody has heard of it.
    bench.site.stop();
    bench.seal(segment(1, 985_000));
    await bench.run(2 * SECOND);
    bench.transport.fault = () => undefined;
    bench.site.start();
    await bench.run(10 * MINUTE);
    assert.equal(bench.link.received, 10);
    assert.deepEqual(bench.begun(), [1]);
  });

  it('forgets no trouble over a closed window, and tells of none while it lasts', async () => {
    bench = new LinkBench({ journal: segments(1), week: closedFor(30) });
    bench.transport.fault = () => 'ConnectionLost';
    await bench.started(EDGE - SECOND);
    assert.deepEqual(bench.codes(), ['link-down']);
    await bench.run(MINUTE);
    assert.deepEqual(bench.codes(), ['schedule-closed']);
    await bench.run(30 * MINUTE + 10 * SECOND);
    assert.deepEqual(bench.codes(), ['link-down']);
    bench.transport.fault = () => undefined;
    await bench.run(2 * MINUTE);
    assert.equal(bench.link.received, 10);
  });

  it('opens and closes as the schedule is changed, and drops no transfer that the new one allows', async () => {
    const rate: Limit = { kind: 'rate', bytesPerSecond: 500_000 };
    bench = new LinkBench({ journal: [segment(1, 20_000_000)], week: closedFor(30, rate) });
    const settings = { files: 16, copyShare: 0.5, burstMax: 1 << 20 };
    await bench.started(10 * SECOND);
    bench.shared.configure({ ...settings, week: { ...closedFor(30), windows: [] } });
    await bench.run(5 * SECOND);
    assert.equal(bench.transport.attempts.length, 1);
    bench.shared.configure({ ...settings, week: { ...closedFor(30), windows: [], outside: CLOSED } });
    assert.match(bench.wait('schedule-closed')?.message ?? '', /closed for ever$/);
    await bench.run(HOUR);
    assert.equal(bench.transport.attempts.length, 1);
    assert.equal(bench.transport.underWay, 0);
    bench.shared.configure({ ...settings, week: undefined });
    await bench.run(MINUTE);
    assert.equal(bench.link.received, 10);
    assert.equal(bench.transport.attempts.length, 2);
  });
});
