import assert from 'node:assert/strict';
import { ChangeMap } from '../../src/capture/change-map.ts';
import { ChangeTracker } from '../../src/capture/change-tracker.ts';
import { lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';

const REGION = 64 * 1024;

const volume = (index: number, size: number): { index: VolumeIndex; size: number } => ({
  index: index as VolumeIndex,
  size,
});
/** The second ends in the middle of a region. */
const VOLUMES = [volume(0, 5 * REGION), volume(2, 100 * REGION + 512)];
const ALL = VOLUMES.reduce((sum, { size }) => sum + size, 0);

describe('what the change map learns of the journal', () => {
  let next = 1;
  const record = (
    kind: RecordKind,
    { index = 0, offset = 0, length = 0, flags = 0 } = {},
  ): JournalRecord => ({
    kind,
    flags,
    volume: index as VolumeIndex,
    lsn: lsn(next++),
    offset,
    length,
    payload: Buffer.alloc(0),
  });
  const copied = (offset: number, length: number, index = 0): JournalRecord =>
    record(RecordKind.write, { index, offset, length, flags: RecordFlag.fromVolume });

  function start(): { map: ChangeMap; tracker: ChangeTracker; left: () => number } {
    const disk = new MemoryDisk({ clones: false });
    disk.makeDirectory('/group');
    const map = ChangeMap.open(disk, '/group', VOLUMES);
    return { map, tracker: new ChangeTracker(map), left: () => (ALL - map.marked) / REGION };
  }

  it('is that a region was brought over once the whole of it was, in however many pieces and segments', () => {
    const { tracker, left } = start();
    tracker.shipped([record(RecordKind.initBegin), copied(0, REGION / 2)]);
    assert.equal(left(), 0);
    tracker.shipped([record(RecordKind.write, { offset: 0, length: REGION }), copied(0, 512, 2)]);
    assert.equal(left(), 0, 'what hosts write meanwhile is no copy');
    tracker.shipped([copied(REGION / 2, REGION)]);
    assert.equal(left(), 1);
    const rest = { offset: 1.5 * REGION, length: 3.5 * REGION, flags: RecordFlag.fromVolume };
    tracker.shipped([record(RecordKind.zero, rest)]);
    assert.equal(left(), 5);
  });

  it('is nothing of a region whose first piece was copied before a break', () => {
    const { tracker, left } = start();
    tracker.shipped([copied(0, REGION / 2), record(RecordKind.initBegin), copied(REGION / 2, REGION / 2)]);
    assert.equal(left(), 0);
    tracker.shipped([copied(2 * REGION, REGION / 2), copied(3 * REGION, REGION)]);
    assert.equal(left(), 1);
  });

  it('is nothing that was copied before a resync that is wanted, until a copy names it (I3)', () => {
    const { map, tracker, left } = start();
    const begin = (resync?: string): JournalRecord => ({
      ...record(RecordKind.initBegin),
      payload: Buffer.from(JSON.stringify({ resync })),
    });
    const [older, newer] = ['0a'.repeat(16), '0b'.repeat(16)];
    tracker.shipped([begin(older), copied(0, REGION)]);
    assert.equal(left(), 1);
    map.markAll();
    tracker.wanted(newer);
    tracker.shipped([copied(REGION, REGION), begin(older), copied(2 * REGION, REGION), begin()]);
    assert.equal(left(), 0);
    tracker.shipped([copied(0, REGION), begin(newer), copied(REGION, REGION)]);
    assert.equal(left(), 1);
    const restarted = new ChangeTracker(map, newer);
    restarted.shipped([copied(2 * REGION, REGION)]);
    assert.equal(left(), 1, 'a restart does not know whether that was before');
    restarted.shipped([begin(newer), copied(2 * REGION, REGION)]);
    assert.equal(left(), 2);
  });

  it('is all that is behind the end that a volume has in the journal: a resize that failed is made good by nothing else', () => {
    const { map, tracker, left } = start();
    const payload = Buffer.from(
      JSON.stringify({ volumes: [{ index: 0, name: 'a', size: 3 * REGION + 512 }] }),
    );
    tracker.shipped([{ ...record(RecordKind.attach), payload }, copied(0, 3 * REGION)]);
    assert.equal(left(), 3);
    tracker.shipped([copied(3 * REGION, 512)]);
    assert.equal(left(), 5);
    map.markAll();
    tracker.equal(0 as VolumeIndex, 2 * REGION, 3 * REGION + 512);
    assert.equal(left(), 3, 'also where a comparison finds the volume’s end the same');
    map.markAll();
    tracker.shipped([record(RecordKind.resize, { offset: 4 * REGION }), copied(0, 3 * REGION + 512)]);
    assert.equal(left(), 3, 'the end is where the journal says');
    tracker.shipped([copied(3 * REGION + 512, REGION - 512)]);
    assert.equal(left(), 5);
  });

  it('is every region that a record touches which was left out, copies too', () => {
    const { map, tracker } = start();
    for (const { index, size } of VOLUMES) map.clear(index, 0, size);
    tracker.leftOut([
      record(RecordKind.write, { offset: REGION - 512, length: 1024 }),
      copied(3 * REGION, 512),
      record(RecordKind.zero, { index: 2, offset: VOLUMES[1]!.size - 512, length: 512 }),
      record(RecordKind.clock, { offset: 1e12 }),
      record(RecordKind.write, { index: 63, length: 512 }),
    ]);
    assert.equal(map.marked, 3 * REGION + 512);
  });

  it('is of a copy as of a point what was not marked since, and nothing where the point is not known any more', () => {
    const { tracker, left } = start();
    const flags = RecordFlag.fromVolume | RecordFlag.fromPoint;
    const piece = (region: number): ReturnType<typeof record> =>
      record(RecordKind.write, { offset: region * REGION, length: REGION, flags });
    tracker.shipped([piece(0)]);
    assert.equal(left(), 0);
    tracker.beginPoint();
    tracker.leftOut([record(RecordKind.write, { offset: REGION, length: 512 })]);
    tracker.shipped([piece(0), piece(1), piece(2)]);
    assert.equal(left(), 2);
    tracker.endPoint();
    tracker.shipped([piece(1)]);
    assert.equal(left(), 2);
  });
});
