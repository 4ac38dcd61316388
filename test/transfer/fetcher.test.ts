import assert from 'node:assert/strict';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import type { ServingStatus } from '../../src/journal/status.ts';
import { SharedLink } from '../../src/transfer/shared-link.ts';
import { ThrottledTransport } from '../../src/transfer/throttled-transport.ts';
import { Turns } from '../../src/transfer/turns.ts';
import { FAIR } from '../simulation/pair/server.ts';
import { NOTHING_KEPT } from '../simulation/platform/machine.ts';
import {
  AHEAD,
  decode,
  encode,
  FetchBench,
  FOLDER_A,
  FOLDER_B,
  GROUP_ID,
  MINUTE,
  SECOND,
  settles,
} from './fetch-bench.ts';

const MIB = 1024 * 1024;
const ANSWER = `${FOLDER_B}/outbox-status/destination.json`;

const STATUS = `${FOLDER_A}/status/destination.json`;

/** What a side says that took over. */
function asSource(bench: FetchBench): ServingStatus {
  const at = bench.a.wall();
  const identity = { number: epoch(1), id: 'c'.repeat(32) };
  const fork = { epoch: identity, lsn: lsn(5), digest: 'd'.repeat(64), time: at };
  const common = { version: 3, groupId: GROUP_ID, sequence: 1, writtenAt: at } as const;
  return { ...common, role: 'source', epoch: { ...identity, number: epoch(2) }, fork, at, volumes: [] };
}

function wordOf(answer: Buffer): string {
  const status = decode(answer);
  return status.role === 'destination' ? `received ${status.received}` : status.role;
}

const codesOf = (bench: FetchBench): string[] => bench.site.fetcher.report().waits.map(({ code }) => code);

describe('a fetcher', () => {
  it('brings what the outbox holds, in order, says what is received, and clears it away', async () => {
    const bench = new FetchBench('all');
    const older = sealedName({ epoch: epoch(2), first: lsn(1), last: lsn(5) });
    bench.a.disk.create(`${FOLDER_A}/inbox/${older}.part`);
    for (let count = 0; count < 12; count++) bench.seal(100_000 + count);
    await settles(bench, MINUTE);
    // Nor is the part there any more of what was merged into something else before it was whole.
    assert.deepEqual(bench.inbox(), []);
    const { state, backlogSegments, backlogBytes, confirmed, ...report } = bench.site.fetcher.report();
    assert.deepEqual(
      { state, backlogSegments, backlogBytes },
      { state: 'idle', backlogSegments: 0, backlogBytes: 0 },
    );
    assert.equal(confirmed, bench.sealed);
    assert.equal(report.segmentsFetched, 12);
    assert.equal(report.bytesFetched, 12 * 100_000 + 66);
    assert.deepEqual(report.waits, []);
  });

  it('fetches nothing again that is being taken in: out of the inbox, and not received yet', async () => {
    const bench = new FetchBench('slow to take in');
    bench.site.pause = 20 * SECOND;
    for (let count = 0; count < 6; count++) bench.seal(100_000);
    await settles(bench, 10 * MINUTE);
    assert.equal(bench.site.fetcher.report().segmentsFetched, 6);
  });

  it('finds of a backlog no more in the outbox than the link may have ahead', async () => {
    const bench = new FetchBench('backlog');
    bench.site.isHeld = true;
    for (let count = 0; count < 50; count++) bench.seal(100_000);
    await bench.pass(MINUTE);
    assert.equal(bench.outbox().length, AHEAD / 100_000);
    bench.site.isHeld = false;
    await settles(bench, 2 * MINUTE);
  });

  it('puts the status whenever it changes, and each of its heartbeats', async () => {
    const bench = new FetchBench('heartbeat');
    const seen = new Set<number>();
    for (let look = 0; look < 40; look++) {
      await bench.pass(SECOND / 2);
      const bytes = bench.b.disk.find(ANSWER)?.content();
      if (bytes !== undefined) seen.add(decode(bytes).sequence);
    }
    assert.ok(seen.size >= 8, `${seen.size} in 20 s`);
  });

  it('leaves in the outbox what no status at the server says is received (I5)', async () => {
    const bench = new FetchBench('no status');
    // Nothing can be written there any more, but all can be read.
    bench.server.weather = { ...FAIR, full: 1 };
    await bench.pass(MINUTE);
    const names = [bench.seal(10_000), bench.seal(10_000)];
    await bench.pass(10 * SECOND);
    assert.equal(bench.site.received, bench.sealed);
    await bench.pass(MINUTE);
    assert.deepEqual(bench.outbox(), names);
    assert.ok(codesOf(bench).includes('destination-full'));
    bench.server.weather = FAIR;
    await settles(bench, 2 * MINUTE);
  });

  it('passes nothing on that an earlier life of this side said it had received (I5)', async () => {
    const bench = new FetchBench('earlier life');
    bench.seal(10_000, 1000);
    await settles(bench, MINUTE);
    // As after a failover and back: its journal begins at an earlier record, and its last status is still there.
    await bench.site.stop();
    bench.a.disk.remove(
      `${FOLDER_A}/journal/${sealedName({ epoch: epoch(2), first: lsn(1), last: lsn(1000) })}`,
    );
    const asDestination = bench.a.disk.find(STATUS)!.content();
    for (const earlier of [asDestination, encode(asSource(bench))]) {
      bench.b.disk.remove(ANSWER);
      bench.a.disk.remove(STATUS);
      bench.a.disk.create(STATUS).write(earlier, 0);
      const site = bench.startSite();
      site.isHeld = true;
      assert.equal(site.received, 0);
      const said = new Set<string>();
      await bench.loop.run(() => {
        const bytes = bench.b.disk.find(ANSWER)?.content();
        if (bytes !== undefined) said.add(wordOf(bytes));
        return false;
      }, 10 * SECOND);
      assert.deepEqual([...said], ['received 0']);
      await site.stop();
    }
  });

  it('begins no more than there is room for, says so, and goes on when there is', async () => {
    const bench = new FetchBench('room');
    bench.room = 50_000;
    bench.seal(30_000);
    bench.seal(30_000);
    await settles(bench, MINUTE);
    bench.room = 20_000;
    bench.seal(30_000);
    await bench.pass(10 * SECOND);
    assert.deepEqual(bench.inbox(), []);
    assert.deepEqual(codesOf(bench), ['destination-full']);
    assert.equal(bench.site.fetcher.report().state, 'waiting');
    bench.room = 40_000;
    await settles(bench, MINUTE);
    await bench.pass(5 * SECOND);
    assert.deepEqual(codesOf(bench), []);
  });

  it('takes not one byte while its schedule has the link closed, and goes on with what a cut left', async () => {
    const bench = new FetchBench('closed');
    bench.server.weather = { ...FAIR, speed: 100 };
    const name = bench.seal(3 * MIB);
    await bench.pass(25 * SECOND);
    const part = `${FOLDER_A}/inbox/${name}.part`;
    const held = bench.a.disk.find(part)?.size ?? 0;
    assert.ok(held > MIB, `${held} bytes are here`);
    bench.door.set(false);
    await bench.pass(10 * SECOND);
    assert.ok((bench.a.disk.find(part)?.size ?? 0) <= held + 8192);
    assert.deepEqual(codesOf(bench), ['schedule-closed']);
    const from = bench.site.fetcher.report().bytesFetched;
    bench.door.set(true);
    // That it was cut is no failure to rest from.
    await settles(bench, 20 * SECOND);
    assert.equal(bench.site.fetcher.report().bytesFetched - from, 3 * MIB);
  });

  it('keeps to the rate of its link, and says meanwhile what is received', async () => {
    const party = { stream: 'oracle ← b', weight: 1, copying: false };
    const bench = new FetchBench('rate', (line, clock) => {
      const limit = { kind: 'rate', bytesPerSecond: 50_000 } as const;
      const week = { timeZone: 'UTC', windows: [], outside: limit };
      const settings = { week, files: 1, copyShare: 0.5, burstMax: 50_000 };
      return new ThrottledTransport(line, new SharedLink(clock, new Turns(4, 0.5), settings), () => party);
    });
    await bench.pass(5 * SECOND);
    bench.seal(1_000_000);
    const said = (): number => decode(bench.b.disk.find(ANSWER)?.content() ?? Buffer.alloc(0)).sequence;
    for (let time = 0; time < 16; time += 4) {
      const before = said();
      await bench.pass(4 * SECOND);
      assert.ok(said() > before, `nothing was said for 4 s, ${time} s from the start`);
    }
    assert.equal(bench.site.received, 0);
    await settles(bench, 20 * SECOND);
  });

  it('fetches again what did not arrive as it was, and what keeps coming so more and more seldom', async () => {
    const bench = new FetchBench('refused');
    bench.server.weather = { ...FAIR, corruption: 1 };
    bench.seal(50_000);
    // The status is damaged too: B knows of nothing.
    await bench.pass(10 * MINUTE);
    assert.equal(bench.site.received, 0);
    const { refusals } = bench.site;
    assert.ok(refusals >= 8 && refusals <= 30, `${refusals} times in 10 minutes`);
    bench.server.weather = FAIR;
    await settles(bench, 3 * MINUTE);
  });

  it('says that the line is down while it is, and goes on by itself', async () => {
    const bench = new FetchBench('frozen');
    await bench.pass(5 * SECOND);
    bench.server.frozenUntil = bench.loop.now + 3 * MINUTE;
    bench.seal(50_000);
    await bench.pass(MINUTE);
    assert.deepEqual(codesOf(bench), ['link-down']);
    assert.equal(bench.site.fetcher.report().state, 'failed');
    await settles(bench, 5 * MINUTE);
    assert.deepEqual(codesOf(bench), []);
  });

  it('goes on after a power cut with what is durable, and takes no torn part for a whole segment (I6)', async () => {
    const bench = new FetchBench('power');
    for (let count = 0; count < 6; count++) bench.seal(2 * MIB);
    for (let cut = 0; cut < 6; cut++) {
      await bench.pass(2300);
      bench.programA.die();
      bench.a.losePower(NOTHING_KEPT);
      bench.startSite();
    }
    await settles(bench, 5 * MINUTE);
    assert.deepEqual(bench.inbox(), []);
  });

  it('believes nothing of what else the server shows (I12)', async () => {
    const bench = new FetchBench('hostile');
    const odd = [
      'notes.txt',
      'x.seg',
      `${sealedName({ epoch: epoch(2), first: lsn(1), last: lsn(5) })}.part`,
    ];
    for (const name of odd) bench.b.disk.create(`${FOLDER_B}/outbox/${name}`).write(Buffer.from('x'), 0);
    bench.b.disk.create(`${FOLDER_B}/outbox/${sealedName({ epoch: epoch(2), first: lsn(1), last: lsn(2) })}`);
    bench.seal(10_000);
    await bench.loop.run(() => bench.site.received === bench.sealed, MINUTE);
    await bench.pass(10 * SECOND);
    assert.equal(bench.site.refusals, 0);
    assert.equal(bench.site.fetcher.report().segmentsFetched, 1);
    assert.deepEqual(bench.inbox(), []);
    assert.equal(bench.segments.length, 0);
  });
});
