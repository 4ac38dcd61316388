import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { DestinationBack } from '../../src/destage/destination-back.ts';
import type { DestinationFacts } from '../../src/destage/destination-facts.ts';
import { windowSnapshotId } from '../../src/destage/retained-window.ts';
import { isSnapshotDue, surplus, windowStart, type KeptSegment } from '../../src/destage/window-plan.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { parseSealedName } from '../../src/journal/names.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { marker, Site, Stream, unsyncedFiles, write } from './stream.ts';

const DAY = 86_400_000;
const GIB = 2 ** 30;
const WIDE = { time: DAY, size: GIB };

async function take(site: Site, back: DestinationBack, path: string): Promise<DestinationFacts> {
  assert.equal((await back.receive([site.deliver(path)])).taken, 1);
  return await back.applySome();
}

function kept(site: Site): number[] {
  return readdirSync(join(site.folder, 'journal'))
    .map((name) => parseSealedName(name)?.first ?? 0)
    .sort((a, b) => a - b);
}

function prepare(retain = WIDE): { site: Site; stream: Stream; begin: string } {
  const root = temporaryFolder();
  const stream = new Stream(join(root, 'source'));
  const begin = stream.seal(
    { kind: 'attach', names: ['a', 'b'] },
    { kind: 'init-begin' },
    { kind: 'init-end' },
  );
  const site = new Site(root);
  site.retain = retain;
  return { site, stream, begin };
}

describe('a destination that keeps a window of points in time', () => {
  it('makes a snapshot for it to begin at, keeps what is applied from there on, and over a restart', async () => {
    const { site, stream, begin } = prepare();
    let back = site.start();
    let { window } = await take(site, back, begin);
    assert.equal(window.from?.lsn, 3);
    assert.deepEqual(
      site.snapshots.list().map(({ id }) => id),
      [windowSnapshotId((await back.facts()).state, lsn(3))],
    );
    for (let fill = 1; fill < 4; fill += 1) await take(site, back, stream.seal(write(0, 0, fill)));
    assert.deepEqual(kept(site), [4, 5, 6]);
    await back.close();
    back = site.start();
    ({ window } = await back.facts());
    assert.deepEqual([window.segments, window.from?.lsn], [3, 3]);
    ({ window } = await take(site, back, stream.seal(write(1, 0, 9))));
    assert.equal(window.segments, 4);
    assert.equal(site.snapshots.creates, 1, 'no more than there need be');
    await back.close();
    site.retain = undefined;
    back = site.start();
    assert.deepEqual(kept(site), [], 'without the setting nothing is kept');
    await back.close();
  });

  it('keeps no more than its size, and takes away the snapshots that it made and no others', async () => {
    const { site, stream, begin } = prepare({ time: DAY, size: 8 * 1024 });
    const back = site.start(unsyncedFiles);
    await take(site, back, begin);
    await take(site, back, stream.seal(marker('snapshot', 'ours', 'e'.repeat(32))));
    let facts = await back.facts();
    for (let fill = 1; fill < 40; fill += 1) {
      facts = await take(site, back, stream.seal(write(0, 0, fill)));
      assert.ok(facts.window.bytes <= 8 * 1024);
      const from = facts.window.from?.lsn ?? assert.fail('there is always a window');
      assert.equal(kept(site)[0], from + 1, 'what no snapshot leads to is not kept');
    }
    const lsns = site.snapshots.list().map((snapshot) => snapshot.lsn);
    assert.ok(lsns.includes(lsn(4)), 'a snapshot of the source stays');
    assert.ok(lsns.length > 3 && lsns.length < 20, String(lsns));
    assert.equal(lsns[1], facts.window.from?.lsn, 'of its own only those that it begins at');
    await back.close();
  });

  it('keeps what is inside its time, by the source’s clock', async () => {
    // Records are a millisecond apart, and a window has eight pieces at least.
    const { site, stream, begin } = prepare({ time: 16, size: GIB });
    const back = site.start(unsyncedFiles);
    await take(site, back, begin);
    let facts = await back.facts();
    for (let fill = 1; fill < 40; fill += 1) facts = await take(site, back, stream.seal(write(0, 0, fill)));
    const behind = facts.state.applied - (facts.window.from?.lsn ?? 0);
    assert.ok(behind >= 16 && behind <= 19, String(behind));
    await back.close();
  });

  it('gives up the oldest when it is asked for room, and begins anew without any (I8)', async () => {
    const { site, stream, begin } = prepare();
    const back = site.start();
    await take(site, back, begin);
    for (let fill = 1; fill < 4; fill += 1) await take(site, back, stream.seal(write(0, 0, fill)));
    await back.giveUpRetained(1);
    assert.deepEqual(kept(site), [5, 6]);
    const facts = await take(site, back, stream.seal(write(0, 0, 9)));
    assert.equal(facts.window.from?.lsn, 7);
    assert.deepEqual(kept(site), [], 'what was left led nowhere');
    await take(site, back, stream.seal(write(0, 0, 10)));
    assert.deepEqual(kept(site), [8]);
    await back.close();
  });

  it('gives it up before it stops receiving on a full disk (I8)', async () => {
    const { site, stream, begin } = prepare();
    let free = GIB;
    const files: Files = { ...nodeFiles, freeSpace: () => free };
    const running = await runGroup(site, { files });
    site.deliver(begin);
    await until('its beginning', () => running.group.report().facts.window.from?.lsn === 3);
    for (const fill of [1, 2]) site.deliver(stream.seal(write(0, 0, fill)));
    await until('a window', () => running.group.report().facts.window.segments === 2);
    free = 100 * 2 ** 20;
    await until('it is given up', () => running.group.report().facts.window.segments === 0);
    assert.ok(!running.waitsFor('disk-full'));
    await running.stop();
  });

  it('replicates on when no snapshot can be made for it', async () => {
    const { site, stream, begin } = prepare();
    site.snapshots.limit = 0;
    const back = site.start();
    await take(site, back, begin);
    const facts = await take(site, back, stream.seal(write(0, 0, 1)));
    assert.deepEqual([facts.state.applied, facts.window.segments, facts.window.from], [4, 0, undefined]);
    await back.close();
  });
});

describe('the plan of a window', () => {
  const segments = fc.array(fc.record({ records: fc.integer({ min: 1, max: 5 }), bytes: fc.nat(100) }), {
    maxLength: 30,
  });
  const history = fc.record({
    segments,
    begin: fc.nat(50),
    places: fc.array(fc.nat(150), { maxLength: 12 }),
  });

  it('keeps an unbroken run behind a snapshot, no more than its size, and no less than its time', () => {
    fc.assert(
      fc.property(history, fc.nat(2000), fc.nat(150), ({ segments, begin, places }, size, time) => {
        let next = begin + 1;
        const all = segments.map(({ records, bytes }): KeptSegment => {
          const range = { epoch: epoch(1), first: lsn(next), last: lsn(next + records - 1) };
          next += records;
          return { range, bytes };
        });
        const applied = next - 1;
        const snapshots = [...new Set(places)]
          .filter((place) => place <= applied)
          .sort((a, b) => a - b)
          .map((place) => ({ lsn: lsn(place), time: place }));
        const options = { limits: { size, time }, applied: lsn(applied), appliedTime: applied };
        const gone = surplus(all, snapshots, options);
        const left = all.slice(gone);
        const total = left.reduce((sum, { bytes }) => sum + bytes, 0);
        const start = windowStart(left, snapshots, lsn(applied));
        if (left.length > 0) {
          assert.ok(all.length === 0 || left.at(-1) === all.at(-1));
          assert.ok(total <= size);
          assert.ok(start !== undefined && start.lsn + 1 >= left[0]!.range.first);
          assert.ok(start.lsn < left[0]!.range.last, 'what lies before the snapshot is gone');
        }
        const isOverSize = all.reduce((sum, { bytes }) => sum + bytes, 0) > size;
        const begins = windowStart(all, snapshots, lsn(applied));
        if (!isOverSize && begins !== undefined && begins.time <= applied - time)
          assert.ok(start !== undefined && start.time <= applied - time, 'the whole time is there');
        if (start !== undefined && left.length > 0)
          assert.equal(surplus(left, snapshots, options), 0, 'what is kept is kept');
      }),
      { numRuns: 300 },
    );
  });

  it('wants a snapshot once there is much behind the newest', () => {
    const segment = (first: number): KeptSegment => ({
      range: { epoch: epoch(1), first: lsn(first), last: lsn(first) },
      bytes: 1000,
    });
    const limits = { size: 80_000, time: 80 };
    const at = [{ lsn: lsn(4), time: 4 }];
    const behind = (count: number): KeptSegment[] => Array.from({ length: count }, (_, i) => segment(5 + i));
    assert.equal(isSnapshotDue(behind(9), at, { limits, applied: lsn(13), appliedTime: 13 }), false);
    assert.equal(isSnapshotDue(behind(10), at, { limits, applied: lsn(14), appliedTime: 13 }), true);
    assert.equal(isSnapshotDue(behind(1), at, { limits, applied: lsn(5), appliedTime: 14 }), true);
    assert.equal(isSnapshotDue([], at, { limits, applied: lsn(4), appliedTime: 1000 }), false);
    assert.equal(
      isSnapshotDue(behind(1), [], { limits, applied: lsn(5), appliedTime: 5 }),
      true,
      'it begins nowhere',
    );
  });
});
