import assert from 'node:assert/strict';
import { join } from 'node:path';
import { copyPointOf, type CopyPoint } from '../../../src/journal/copy-point.ts';
import type { Lsn } from '../../../src/journal/ids.ts';
import { RecordKind } from '../../../src/journal/record.ts';
import { openSegment } from '../../../src/journal/segment/reader.ts';
import { VOLUME_SIZE } from '../../capture/engine.ts';
import { systemError } from '../../support/tampered-files.ts';
import { SEGMENT_BYTES_MAX, SourceSite } from './source-site.ts';

const EVERY = 20_000;

/** A destination that takes what is sealed at once: what its volumes hold, and of which point. */
class Replica {
  readonly volumes = [Buffer.alloc(VOLUME_SIZE), Buffer.alloc(VOLUME_SIZE)];
  readonly points: CopyPoint[] = [];
  /** Records that hold data, since they were last looked at. */
  data = 0;
  markers = 0;
  #reached = 0;
  #point: CopyPoint | undefined;
  isConsistent = false;

  take(site: SourceSite): void {
    for (const name of site.segments().sort()) {
      const reader = openSegment(site.disk, join('/group/journal', name), undefined);
      try {
        const { first, last, lastTime } = reader.header;
        if (last <= this.#reached) continue;
        assert.equal(first, this.#reached + 1);
        this.#reached = last;
        for (const record of [...reader.frames()].flat()) {
          const volume = this.volumes[record.volume]!;
          if (record.kind === RecordKind.write) record.payload.copy(volume, record.offset);
          if (record.kind === RecordKind.zero) volume.fill(0, record.offset, record.offset + record.length);
          if (record.kind === RecordKind.write || record.kind === RecordKind.zero) this.data += 1;
          if (record.kind === RecordKind.initBegin) {
            this.isConsistent = false;
            this.#point = copyPointOf(record);
          }
          if (record.kind === RecordKind.marker) {
            assert.ok(this.isConsistent);
            this.markers += 1;
          }
          if (record.kind === RecordKind.initEnd) this.#end(site, lastTime);
        }
      } finally {
        reader.close();
      }
    }
    site.confirm();
  }

  /** I3: at the end of each delta it is what hosts saw at its point, to the byte. */
  #end(site: SourceSite, time: number): void {
    this.isConsistent = true;
    const point = this.#point;
    if (point === undefined) return;
    assert.equal(time, point.time, 'and says that it is as of then');
    for (const [i, seen] of site.atPoints.get(point.lsn)!.entries())
      assert.ok(this.volumes[i]!.equals(seen), `volume ${i} is not what it was at ${point.lsn}`);
    this.points.push(point);
  }
}

const options = { every: EVERY, quota: () => 6 * SEGMENT_BYTES_MAX } as const;

/** A copy has room for a region or two until a destination has it. */
const narrow = { every: EVERY, quota: () => 2 * SEGMENT_BYTES_MAX + 200 * 1024 } as const;

/** Hosts write, 250 ms apart, while what is sealed is taken. */
async function pass(
  site: SourceSite,
  replica: Replica | undefined,
  milliseconds: number,
  writes = true,
): Promise<void> {
  for (let i = 0; i < milliseconds / 250; i += 1) {
    if (writes && site.volume('a').room() === undefined) site.write(i % 2 === 0 ? 'a' : 'b');
    await site.clock.pass(250);
    replica?.take(site);
  }
}

const leftovers = (site: SourceSite): number =>
  site.disk.list('/group/points').filter((name) => !name.startsWith('catalogue')).length;

describe('a source group that replicates on an interval', () => {
  it('takes its destinations from one point to the next while hosts write all the while (I3)', async () => {
    const site = await SourceSite.startFresh(options);
    const replica = new Replica();
    assert.equal(site.group.mode, 'initializing');
    await pass(site, replica, 90_000);
    assert.ok(replica.points.length >= 4, `${replica.points.length} points`);
    assert.equal(site.group.mode, 'snapshot-assisted');
    assert.deepEqual([site.waiting(), site.group.interval?.skipped, leftovers(site)], [[], 0, 0]);
    await site.group.stop();
  });

  it('ships nothing between the deltas, of each region what it held at the point, once', async () => {
    const site = await SourceSite.startFresh(options);
    const replica = new Replica();
    await pass(site, replica, 15_000, false);
    assert.equal(replica.points.length, 1);
    replica.data = 0;
    for (let i = 0; i < 40; i += 1) {
      if (site.volume('b').room() === undefined) site.write('b', 0);
      await site.clock.pass(100);
      replica.take(site);
    }
    assert.deepEqual([replica.data, site.group.copy?.left], [0, 64 * 1024]);
    await pass(site, replica, 20_000, false);
    // Half of the region holds something, half of it zeros.
    assert.deepEqual([replica.points.length, replica.data, site.group.copy?.left], [2, 2, 0]);
    await pass(site, replica, 40_000, false);
    assert.equal(replica.points.length, 2, 'and nothing where nothing changed');
    assert.equal(site.group.lastToShip(9999 as Lsn) < 9999, true, 'which is not behind');
    await site.group.stop();
  });

  it('keeps what hosts overwrite while the link is down, refuses no host, skips intervals and says so', async () => {
    const site = await SourceSite.startFresh(narrow);
    const replica = new Replica();
    await pass(site, replica, 15_000, false);
    await pass(site, replica, 10_000);
    const points = replica.points.length;
    await pass(site, undefined, 70_000);
    assert.ok(site.waiting().includes('interval-skipped'));
    assert.ok((site.group.interval?.skipped ?? 0) >= 2);
    assert.ok(site.group.bufferUsed <= narrow.quota());
    await pass(site, replica, 60_000);
    assert.ok(replica.points.length >= points + 2);
    assert.deepEqual(site.waiting(), []);
    await site.group.stop();
  });

  it('gives a delta up when what hosts overwrite cannot be kept, and brings everything over at the next', async () => {
    const site = await SourceSite.startFresh(options);
    const replica = new Replica();
    await pass(site, replica, 15_000, false);
    await pass(site, undefined, 4000);
    const { length } = replica.points;
    site.files.fault = ({ kind, path }) =>
      kind === 'write' && path.includes('/points/')
        ? { when: 'before', error: systemError('ENOSPC') }
        : undefined;
    await pass(site, replica, 25_000);
    assert.deepEqual(site.waiting(), ['delta-given-up']);
    assert.equal(replica.points.length, length);
    assert.ok(site.group.copy!.left > 0);
    site.files.fault = () => undefined;
    await pass(site, replica, 45_000);
    assert.ok(replica.points.length > length);
    assert.deepEqual([site.waiting(), leftovers(site)], [[], 0]);
    await site.group.stop();
  });

  it('cuts a point for a marker, which fires behind its delta, and refuses one while a delta is on its way', async () => {
    const site = await SourceSite.startFresh(options);
    const replica = new Replica();
    const marker = { id: 'ab'.repeat(16), kind: 'snapshot', name: 'noon' } as const;
    await pass(site, replica, 15_000, false);
    await pass(site, replica, 2000);
    const placing = site.group.placeMarker(marker);
    await assert.rejects(site.group.placeMarker(marker), { code: 'DELTA_UNDER_WAY' });
    await pass(site, replica, 5000);
    const placed = await placing;
    assert.deepEqual([replica.markers, replica.points.at(-1)!.time], [1, placed.time]);
    await site.group.stop();
  });

  it('brings over what is marked, at a point of its own, after a restart in the middle of a delta (I6)', async () => {
    const site = await SourceSite.startFresh(narrow);
    const replica = new Replica();
    await pass(site, replica, 15_000, false);
    await pass(site, replica, 3000);
    await pass(site, undefined, 20_000);
    assert.deepEqual([site.group.mode, leftovers(site) > 0], ['delta', true]);
    // As if killed: nothing is told to stop.
    await site.host.stop();
    const { checkpoint } = await site.back.open();
    assert.equal(leftovers(site), 0, 'what was kept is of no use any more');
    const again = await SourceSite.startFresh(narrow, { disk: site.disk, done: checkpoint.applied });
    const { length } = replica.points;
    await pass(again, replica, 10_000);
    assert.ok(replica.points.length > length, 'at once');
    assert.equal(again.group.mode, 'snapshot-assisted');
    await again.group.stop();
  });

  it('becomes one that sends every write, and one again, at a restart (I3)', async () => {
    const site = await SourceSite.startFresh(options);
    const replica = new Replica();
    await pass(site, replica, 30_000);
    await site.group.stop();
    const { checkpoint } = await site.back.open();
    const journal = await SourceSite.startFresh({}, { disk: site.disk, done: checkpoint.applied });
    assert.equal(journal.group.mode, 'delta');
    await pass(journal, replica, 10_000);
    assert.equal(journal.group.mode, 'journal');
    await pass(journal, replica, 3000, false);
    for (const [i, name] of ['a', 'b'].entries())
      assert.ok(replica.volumes[i]!.equals(journal.seen(name)), 'every write is there');
    await journal.group.stop();
    const opened = await journal.back.open();
    const back = await SourceSite.startFresh(options, { disk: site.disk, done: opened.checkpoint.applied });
    back.received = opened.checkpoint.shipped;
    const { length } = replica.points;
    await pass(back, replica, 45_000);
    assert.ok(replica.points.length >= length + 1);
    await back.group.stop();
  });
});
