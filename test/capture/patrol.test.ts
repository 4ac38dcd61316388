import assert from 'node:assert/strict';
import type { PatrolOrder } from '../../src/capture/patrol.ts';
import { bytesDue } from '../../src/capture/patrol-pace.ts';
import type { VolumeIndex } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { parseVerify, verifyDigest } from '../../src/journal/verify.ts';
import { seededRandom } from '../support/random.ts';
import { Engine, freshDisk, VOLUME_SIZE } from './engine.ts';
import { settle } from './journal.ts';

const PASS: PatrolOrder = { pass: 7, from: { volume: 0, offset: 0 }, every: 0 };

function filled(name: 'a' | 'b'): ReturnType<typeof freshDisk> {
  const remains = freshDisk();
  const file = remains.disk.open(`/volumes/${name}`, 'write');
  file.write(seededRandom('patrol').bytes(VOLUME_SIZE), 0);
  file.syncNow();
  return remains;
}

/** What is in the journal once it is closed, and the volumes as these records make them of what they held. */
class Played {
  readonly records: JournalRecord[] = [];
  readonly volumes = [Buffer.alloc(VOLUME_SIZE), Buffer.alloc(VOLUME_SIZE)];
  verified = 0;

  /** Every verify record tells what the volumes hold at it. */
  async take(engine: Engine): Promise<void> {
    await engine.host.drain();
    await settle();
    do {
      const raw = engine.closed[0]?.raw;
      for (const record of raw === undefined ? [] : engine.records(raw)) this.#play(record);
    } while (engine.destage());
  }

  #play(record: JournalRecord): void {
    const { kind, volume, offset, length, payload } = record;
    this.records.push({ ...record, payload: Buffer.from(payload) });
    const content = this.volumes[volume]!;
    if (kind === RecordKind.write) payload.copy(content, offset);
    if (kind === RecordKind.zero) content.fill(0, offset, offset + length);
    if (kind !== RecordKind.verify) return;
    const told = parseVerify(record)!;
    const there = content.subarray(offset, offset + told.length);
    if (told.digest === undefined) assert.ok(there.every((byte) => byte === 0));
    else assert.deepEqual(told.digest, verifyDigest(there));
    this.verified += told.length;
  }
}

describe('a patrol', () => {
  it('says of all volumes what they hold at each record, while hosts write', async () => {
    const remains = filled('a');
    const engine = new Engine(remains);
    const played = new Played();
    remains.disk.open('/volumes/a', 'read').read(played.volumes[0]!, 0);
    engine.host.patrol(PASS);
    for (let i = 0; i < 40 && engine.patrolled.at(-1)?.done !== true; i += 1) {
      engine.write('a', 512 * i, Buffer.alloc(512, i + 1));
      engine.write('b', 4096, Buffer.alloc(512, i + 1));
      await engine.clock.pass(1);
    }
    const last = engine.patrolled.at(-1);
    await played.take(engine);
    assert.equal(last?.done, true);
    assert.equal(last.bytes, 2 * VOLUME_SIZE);
    assert.equal(played.verified, 2 * VOLUME_SIZE);
    assert.equal(played.records.find(({ lsn }) => lsn === last.lsn)?.kind, RecordKind.verify);
  });

  it('of a scheduled pass does no more than the schedule needs, and goes on from where it is told', async () => {
    const engine = new Engine(filled('a'));
    engine.host.patrol({ ...PASS, from: { volume: 1, offset: 0 }, every: 3_600_000 });
    await engine.clock.pass(100);
    assert.equal(engine.patrolled.at(-1)?.place.volume, 2, 'the second alone');
    engine.host.patrol({ ...PASS, pass: 8, every: 3_600_000 });
    await engine.clock.pass(10);
    await engine.clock.pass(60_000);
    assert.deepEqual(engine.patrolled.at(-1)?.place, { volume: 1, offset: 0 });
    for (let minute = 0; minute < 31; minute += 1) await engine.clock.pass(60_000);
    assert.deepEqual(engine.patrolled.at(-1), {
      ...engine.patrolled.at(-1),
      pass: 8,
      bytes: 2 * VOLUME_SIZE,
      done: true,
    });
    engine.host.stop();
  });

  it('waits while the volumes are being brought over, and while the buffer is too full', async () => {
    const engine = new Engine(filled('a'));
    engine.host.refuse({ code: 'ENOSPC', message: 'the buffer is full' });
    engine.host.patrol(PASS);
    await engine.clock.pass(1000);
    assert.deepEqual([...engine.patrolled], []);
    await engine.beginCopy();
    engine.host.refuse(undefined);
    for (let i = 0; i < 100 && engine.patrolled.at(-1)?.done !== true; i += 1) {
      await engine.clock.pass(100);
      await settle();
      while (engine.destage());
    }
    assert.equal(engine.copied, 1);
    assert.equal(engine.patrolled.at(-1)?.done, true);
    engine.host.stop();
  });

  it('says that a volume cannot be read, and goes on once it can', async () => {
    const remains = filled('a');
    const { disk } = remains;
    const engine = new Engine(remains);
    disk.rename('/volumes/a', '/volumes/away');
    engine.host.patrol(PASS);
    await engine.clock.pass(3000);
    assert.match(engine.troubles.at(-1) ?? '', /volume a/);
    disk.rename('/volumes/away', '/volumes/a');
    for (let i = 0; i < 10; i += 1) await engine.clock.pass(1000);
    assert.equal(engine.troubles.at(-1), undefined);
    assert.equal(engine.patrolled.at(-1)?.done, true);
    engine.host.stop();
  });

  it('sends a range again as the volume holds it, with a verify record behind it that is of no pass', async () => {
    const engine = new Engine(filled('a'));
    const range = { volume: 0 as VolumeIndex, offset: 4096, length: 300 * 1024 };
    engine.write('a', 8192, Buffer.alloc(512, 5));
    engine.host.mend(range);
    engine.host.mend({ ...range, volume: 9 as VolumeIndex });
    await engine.clock.pass(100);
    const held = engine.read('a', range.offset, range.length);
    const played = new Played();
    await played.take(engine);
    assert.deepEqual(played.volumes[0]!.subarray(range.offset, range.offset + range.length), held);
    assert.deepEqual(engine.mended, [{ range, lsn: played.records.at(-1)?.lsn }]);
    assert.equal(parseVerify(played.records.at(-1)!)?.pass, 0);
    const copies = played.records.filter(({ flags }) => flags === RecordFlag.fromVolume);
    assert.equal(
      copies.reduce((sum, { length }) => sum + length, 0),
      range.length,
    );
  });

  it('has all due before its time is over, and something at once', () => {
    const pace = { total: 1e12, every: 604_800_000 };
    assert.ok(bytesDue({ ...pace, elapsed: 0 }) > 0);
    assert.ok(bytesDue({ ...pace, elapsed: 604_700_000 }) < 1e12);
    assert.ok(bytesDue({ ...pace, elapsed: 604_740_000 }) >= 1e12);
  });
});
