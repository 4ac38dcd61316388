import assert from 'node:assert/strict';
import { lsn } from '../../src/journal/ids.ts';
import { STATUS_SIZE_MAX, type DestinationStatus } from '../../src/journal/status.ts';
import { decodeDestinationStatus } from '../support/destination-status.ts';
import { LinkBench, MINUTE, said, SECOND, segment, segments } from './link-bench.ts';
import { GROUP_ID, GROUP_NAME } from './simulated-site.ts';

const last = (list: readonly number[]): number => list.at(-1) ?? Number.NaN;

describe('link recovery', () => {
  let bench: LinkBench;
  afterEach(async () => {
    const stopped = bench.link.stop();
    await bench.clock.pass(0);
    await stopped;
    bench.site.stop();
  });

  describe('when the destination lacks something', () => {
    it('sends a refused segment again at once, and once', async () => {
      bench = new LinkBench({ journal: segments(10) });
      let damaged = true;
      bench.site.refuse = (name) => {
        if (name !== segment(4).name || !damaged) return undefined;
        damaged = false;
        return 'DIGEST: a byte was changed';
      };
      await bench.started(10 * SECOND);
      assert.equal(bench.link.received, 100);
      assert.equal(bench.begunAt(4).length, 2);
      assert.equal(bench.begun().length, 11);
      assert.ok(last(bench.begunAt(4)) - bench.begunAt(4)[0]! < 3500);
    });

    it('lets a segment that is sent again, and fails, wait like any other', async () => {
      bench = new LinkBench({ journal: segments(3) });
      bench.site.refuse = (name) => (name === segment(1).name ? 'DIGEST: a byte was changed' : undefined);
      bench.transport.fault = (operation, name) =>
        operation === 'put' && name === segment(1).name && bench.site.refused.length > 0
          ? 'Timeout'
          : undefined;
      await bench.started(10 * MINUTE);
      const tries = bench.begunAt(1).length;
      assert.ok(tries >= 10 && tries <= 25, `${tries} tries in ten minutes`);
    });

    it('sends what is refused whenever it comes less and less often', async () => {
      bench = new LinkBench({ journal: segments(3) });
      bench.site.refuse = (name) => (name === segment(1).name ? 'FORGED: another key' : undefined);
      await bench.started(20 * MINUTE);
      const sends = bench.begunAt(1).length;
      assert.ok(sends >= 20 && sends <= 30, `${sends} sends in twenty minutes`);
      assert.deepEqual(bench.begunAt(2).length, 1);
    });

    it('sends again what is missing behind what came early, as soon as a status says so that was written after the send', async () => {
      bench = new LinkBench({ journal: segments(6) });
      await bench.started(40);
      bench.site.stop();
      await bench.run(SECOND);
      // The file server loses one of those that wait in its inbox.
      assert.ok(bench.site.inbox.delete(segment(2).name));
      bench.site.start();
      await bench.run(6 * SECOND);
      assert.equal(bench.link.received, 60);
      assert.deepEqual(
        bench.begun().toSorted((a, b) => a - b),
        [1, 2, 2, 3, 4, 5, 6],
      );
    });

    it('is not misled by files that overtake each other', async () => {
      const journal = segments(12).map((each, index) =>
        index % 3 === 0 ? { ...each, bytes: 3_000_000 } : each,
      );
      bench = new LinkBench({ journal, parallel: 3 });
      await bench.started(30 * SECOND);
      assert.equal(bench.link.received, 120);
      assert.equal(
        bench.begun().length,
        12,
        'a status that names a hole which was filled meanwhile is no reason',
      );
    });

    it('notices within a minute that a file server lost its whole inbox while the destination was away', async () => {
      bench = new LinkBench({ journal: segments(8), asleep: true });
      await bench.started(5 * SECOND);
      bench.site.inbox.clear();
      await bench.run(50 * SECOND);
      assert.deepEqual(
        [...bench.site.inbox.keys()],
        segments(8).map(({ name }) => name),
      );
      assert.match(bench.warnings.join(), /8 segments are gone/);
      bench.site.start();
      await bench.run(5 * SECOND);
      assert.equal(bench.link.received, 80);
    });

    it('does not look into the inbox while the destination takes what is there, however slowly', async () => {
      bench = new LinkBench({ journal: segments(12), asleep: true });
      await bench.started(5 * SECOND);
      for (let number = 1; number <= 12; number += 1) {
        bench.site.inbox.delete(segment(number).name);
        bench.site.publish(said({ groupId: GROUP_ID, sequence: number, received: lsn(number * 10) }));
        await bench.run(20 * SECOND);
      }
      assert.equal(bench.link.received, 120);
      assert.equal(bench.transport.lists.length, 1, 'the one at the start');
    });

    it('sends nothing while the destination is full, and goes on by itself', async () => {
      bench = new LinkBench({ journal: segments(2) });
      await bench.started(5 * SECOND);
      bench.site.full = true;
      await bench.run(10 * SECOND);
      bench.seal(segment(3), segment(4));
      const report = await bench.run(10 * MINUTE);
      assert.deepEqual(
        [report.state, bench.codes(), report.backlogSegments],
        ['waiting', ['destination-full'], 2],
      );
      assert.deepEqual(bench.begun(), [1, 2]);
      bench.site.full = false;
      await bench.run(5 * SECOND);
      assert.deepEqual([bench.codes(), bench.link.received], [[], 40]);
    });
  });

  describe('after a restart', () => {
    const restart = async (): Promise<DestinationStatus | undefined> => {
      const stopped = bench.link.stop();
      await bench.clock.pass(0);
      await stopped;
      return bench.told.at(-1);
    };

    it('sends neither what is in the inbox nor what is received, and resumes what was cut', async () => {
      bench = new LinkBench({ journal: segments(9, 1_000_000), parallel: 3 });
      await bench.started(1500);
      bench.site.stop();
      await bench.run(1000);
      const initial = await restart();
      assert.deepEqual([bench.transport.closed, bench.transport.underWay], [1, 0]);
      assert.deepEqual(bench.begun(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
      bench = new LinkBench({ after: bench, ...(initial && { initial }) });
      bench.site.start();
      await bench.started(10 * SECOND);
      assert.equal(bench.link.received, 90);
      assert.deepEqual(bench.begun(), [7, 8, 9]);
      assert.ok(bench.transport.attempts.every(({ from }) => from > 0));
    });

    it('looks into the inbox before it sends: what lies there whole is not sent again', async () => {
      bench = new LinkBench({ journal: segments(5), asleep: true });
      await bench.started(5 * SECOND);
      await restart();
      bench = new LinkBench({ after: bench });
      bench.site.inbox.delete(segment(3).name);
      bench.site.inbox.set(segment(4).name, 5);
      await bench.started(30 * SECOND);
      assert.deepEqual(bench.begun(), [3, 4]);
    });

    it('has stopped only when its transfers have', async () => {
      bench = new LinkBench({ journal: segments(2, 1_000_000) });
      await bench.started(500);
      bench.transport.lingers = 5000;
      let ended = false;
      const stopped = bench.link.stop().then(() => (ended = true));
      await bench.clock.pass(4000);
      assert.deepEqual([ended, bench.transport.underWay], [false, 2]);
      await bench.clock.pass(1000);
      await stopped;
      assert.equal(bench.transport.underWay, 0);
    });

    it('does nothing after it was stopped', async () => {
      bench = new LinkBench({ journal: segments(9, 1_000_000) });
      await bench.started(500);
      await restart();
      const before = [bench.begun().length, bench.transport.reads.length];
      bench.seal(segment(10));
      await bench.run(10 * MINUTE);
      assert.deepEqual([bench.begun().length, bench.transport.reads.length], before);
    });
  });

  it('says that a destination which was set back lacks what is kept here no longer', async () => {
    bench = new LinkBench({ journal: segments(4) });
    await bench.started(10 * SECOND);
    assert.equal(bench.link.received, 40);
    bench.journal = [segment(5)];
    bench.site.received = 20;
    await bench.run(10 * SECOND);
    assert.match(
      bench.wait('records-gone')?.message ?? '',
      /lacks records 21 to 40, which are kept here no longer/,
    );
    assert.equal(bench.link.received, 20, 'its own word is believed');
    bench.site.received = 40;
    await bench.run(40 * SECOND);
    assert.deepEqual([bench.codes(), bench.link.received], [[], 50]);
  });

  describe('with a status that is not to be trusted (I12)', () => {
    const older = (bytes: Buffer): DestinationStatus => decodeDestinationStatus(bytes, undefined, GROUP_NAME);

    it('refuses one that was put back, keeps what it knew, says so, and goes on sending', async () => {
      bench = new LinkBench({ journal: segments(2) });
      await bench.started(50);
      const replay = older(bench.site.status!);
      await bench.run(5 * SECOND);
      assert.equal(bench.link.received, 20);
      bench.site.stop();
      bench.site.publish(replay);
      bench.seal(segment(3));
      await bench.run(2 * SECOND);
      assert.deepEqual(bench.codes(), ['status-replayed']);
      assert.deepEqual([bench.link.received, bench.told.at(-1)?.received], [20, 20]);
      assert.ok(bench.site.inbox.has(segment(3).name));
      bench.site.inbox.clear();
      await bench.run(2 * MINUTE);
      bench.site.status = undefined;
      await bench.run(2 * MINUTE);
      assert.deepEqual(bench.begun(), [1, 2, 3], 'what no accepted status denies is not lost');
      bench.site.start();
      await bench.run(45 * SECOND);
      assert.deepEqual([bench.codes(), bench.link.received], [[], 30]);
    });

    it('knows one from before the restart for a replay', async () => {
      bench = new LinkBench({ journal: segments(2) });
      await bench.started(50);
      const replay = older(bench.site.status!);
      await bench.run(5 * SECOND);
      const initial = bench.told.at(-1)!;
      await bench.link.stop();
      bench.site.stop();
      bench.site.publish(replay);
      bench = new LinkBench({ after: bench, initial });
      await bench.started(5 * SECOND);
      assert.deepEqual([bench.codes(), bench.link.received, bench.told.length], [['status-replayed'], 20, 0]);
    });

    it('refuses one of another group, one that is damaged and one that is too long, and goes on sending', async () => {
      bench = new LinkBench({ journal: segments(1) });
      bench.site.groupId = 'b'.repeat(32);
      await bench.started(5 * SECOND);
      const since = bench.wait('status-refused')?.since;
      assert.ok((since ?? 0) < bench.clock.now() - 4 * SECOND);
      assert.match(bench.wait('status-refused')?.message ?? '', /another group/);
      assert.equal(bench.link.received, 0);
      bench.site.stop();
      for (const [bytes, why] of [
        [Buffer.from('{"version":1'), /cannot be read/],
        [Buffer.alloc(STATUS_SIZE_MAX + 1, 'x'), /TooLarge/],
      ] as const) {
        bench.site.status = bytes;
        await bench.run(2 * SECOND);
        assert.match(bench.wait('status-refused')?.message ?? '', why);
        assert.equal(bench.wait('status-refused')?.since, since);
      }
      bench.seal(segment(2));
      await bench.run(SECOND);
      assert.ok(bench.site.inbox.has(segment(2).name));
      assert.deepEqual(
        bench.told.filter(({ received }) => received > 0),
        [],
      );
      assert.equal(bench.link.report().state, 'waiting');
    });
  });
});
