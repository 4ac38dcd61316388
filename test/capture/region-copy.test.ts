import assert from 'node:assert/strict';
import { epoch } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind } from '../../src/journal/record.ts';
import { seededRandom } from '../support/random.ts';
import { systemError } from '../support/tampered-files.ts';
import { Engine, freshDisk, VOLUME_SIZE } from './engine.ts';
import { settle } from './journal.ts';

const SECTOR = 512;
const NAMES = ['a', 'b'] as const;

/** What a destination makes of the journal: it had something else in its volumes before. */
class Replica {
  readonly content = new Map(NAMES.map((name) => [name, Buffer.alloc(VOLUME_SIZE, 0x77)]));
  complete = false;

  /** What it has from before counts for nothing. */
  #begin(): void {
    this.complete = false;
    for (const content of this.content.values()) content.fill(0x77);
  }

  /** Takes in what is closed, and lets the source destage it. */
  async follow(engine: Engine): Promise<void> {
    await settle();
    for (let item = engine.closed[0]; item !== undefined; item = engine.closed[0]) {
      for (const { kind, volume, offset, length, payload } of engine.records(item.raw)) {
        const content = this.content.get(NAMES[volume] ?? 'a');
        if (kind === RecordKind.write) payload.copy(content!, offset);
        if (kind === RecordKind.zero) content!.fill(0, offset, offset + length);
        if (kind === RecordKind.initBegin) this.#begin();
        if (kind === RecordKind.initEnd) this.complete = true;
      }
      engine.destage();
    }
  }
}

function filledDisk(): ReturnType<typeof freshDisk> {
  const remains = freshDisk();
  const random = seededRandom('volumes');
  for (const name of NAMES) {
    const file = remains.disk.open(`/volumes/${name}`, 'write');
    file.write(random.bytes(VOLUME_SIZE), 0);
    file.syncNow();
  }
  return remains;
}

const SEGMENT = { segmentSize: 64 * 1024 };

/** Until the copy has come to its end, or so many turns have passed. */
async function run(engine: Engine, replica: Replica, turns = 200): Promise<void> {
  for (let i = 0; i < turns && engine.copied === 0; i += 1) {
    await engine.clock.pass(10);
    await replica.follow(engine);
  }
}

async function end(engine: Engine, replica: Replica): Promise<void> {
  await engine.host.drain();
  await replica.follow(engine);
  engine.host.stop();
}

/** Nothing is destaged meanwhile. */
async function toTheEnd(engine: Engine): Promise<void> {
  for (let i = 0; i < 20 && engine.copied === 0; i += 1) {
    await engine.clock.pass(10);
    await settle();
  }
  assert.equal(engine.copied, 1);
  await engine.host.drain();
  await settle();
}

describe('the copy of what is marked', () => {
  it('brings over all that the volumes hold, in step with what hosts write meanwhile (I3)', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica();
    const random = seededRandom('hosts');
    await engine.beginCopy();
    for (let i = 0; i < 200 && engine.copied === 0; i += 1) {
      for (const name of NAMES) {
        if (engine.volume(name).room() !== undefined) break;
        const at = Math.floor((random.fraction() * VOLUME_SIZE) / SECTOR) * SECTOR;
        const length = Math.min(VOLUME_SIZE - at, 8 * SECTOR);
        if (i % 3 === 0) engine.volume(name).zero(at, length, { keepAllocated: false });
        else engine.write(name, at, random.bytes(length));
      }
      await engine.clock.pass(10);
      await replica.follow(engine);
    }
    assert.equal(engine.copied, 1);
    await end(engine, replica);
    assert.ok(replica.complete);
    for (const name of NAMES) {
      assert.ok(replica.content.get(name)!.equals(engine.read(name)), `volume ${name}`);
      assert.ok(!replica.content.get(name)!.subarray(0, 4096).equals(Buffer.alloc(4096, 0x77)));
    }
  });

  it('goes on when the group is handed over, which is said again behind its end: what was said before it may never be shipped', async () => {
    const next = { epoch: { number: epoch(2), id: 'ef'.repeat(16) } };
    for (const isFirst of [true, false]) {
      const engine = new Engine(filledDisk(), { segmentSize: 1024 * 1024 });
      if (isFirst) await engine.host.handOver(next);
      await engine.beginCopy();
      if (!isFirst) await engine.host.handOver(next);
      await toTheEnd(engine);
      const kinds = engine.closed.map(({ raw }) => engine.records(raw).map(({ kind }) => kind));
      assert.deepEqual(kinds.at(-1)?.slice(-2), [RecordKind.initEnd, RecordKind.handover]);
      engine.host.stop();
    }
  });

  it('says nothing of a handover that is called off', async () => {
    const engine = new Engine(filledDisk(), { segmentSize: 1024 * 1024 });
    await engine.host.handOver({ epoch: { number: epoch(2), id: 'ef'.repeat(16) } });
    await engine.host.handOver({ epoch: null });
    const isSaid = engine.closed.length;
    await engine.beginCopy();
    await toTheEnd(engine);
    const records = engine.closed.slice(isSaid).flatMap(({ raw }) => engine.records(raw));
    assert.ok(!records.some(({ kind }) => kind === RecordKind.handover));
    engine.host.stop();
  });

  it('sends zeros for what holds nothing, so that what a destination held there is gone', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    engine.volume('a').zero(0, VOLUME_SIZE, { keepAllocated: false });
    const replica = new Replica();
    await engine.beginCopy();
    await run(engine, replica);
    await end(engine, replica);
    assert.ok(replica.content.get('a')!.equals(Buffer.alloc(VOLUME_SIZE)));
  });

  it('marks what it copies, so that the source does not write it into its own volumes again', async () => {
    const engine = new Engine(filledDisk(), { segmentSize: 1024 * 1024 });
    await engine.beginCopy();
    for (let i = 0; i < 20 && engine.copied === 0; i += 1) {
      await engine.clock.pass(10);
      await settle();
    }
    await engine.host.drain();
    await settle();
    const records = engine.closed.flatMap(({ raw }) => engine.records(raw));
    const data = records.filter(({ kind }) => kind === RecordKind.write || kind === RecordKind.zero);
    assert.ok(data.length > 0 && data.every(({ flags }) => flags === RecordFlag.fromVolume));
    assert.equal(engine.host.status().undestagedExtents, 0);
    engine.host.stop();
  });

  it('looks once for where data is that takes several records, and brings over what hosts make of it meanwhile', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica();
    const volume = engine.volume('a');
    const extents = volume.extents.bind(volume);
    let looks = 0;
    volume.extents = (...range) => {
      looks += 1;
      return extents(...range);
    };
    engine.host.limitCopy(0);
    await engine.beginCopy();
    engine.host.limitCopy(engine.host.writer.appended + 1);
    await run(engine, replica, 20);
    volume.zero(VOLUME_SIZE - 8 * SECTOR, 8 * SECTOR, { keepAllocated: false });
    engine.host.limitCopy(Number.MAX_SAFE_INTEGER);
    await run(engine, replica);
    assert.deepEqual([engine.copied, looks], [1, 1]);
    await end(engine, replica);
    assert.ok(replica.content.get('a')!.equals(engine.read('a')));
  });

  it('closes the segment that ends it, so that destinations are consistent before it is old', async () => {
    const engine = new Engine(filledDisk(), { ...SEGMENT, segmentAge: 3_600_000 });
    const replica = new Replica();
    await engine.beginCopy();
    await run(engine, replica);
    await replica.follow(engine);
    assert.equal(engine.copied, 1);
    assert.ok(replica.complete);
    engine.host.stop();
  });

  it('stands still when as much is in the journal as it may put there, and goes on', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica();
    engine.host.limitCopy(0);
    await engine.beginCopy();
    const { last } = engine.host.writer;
    await run(engine, replica, 50);
    assert.equal(engine.host.writer.last, last);
    engine.host.limitCopy(engine.host.writer.appended + 1);
    await run(engine, replica, 50);
    const copied = engine.host.writer.last - last;
    assert.ok(copied >= 1 && copied <= 2, `one record and a clock's at most: ${copied}`);
    engine.host.limitCopy(Number.MAX_SAFE_INTEGER);
    await run(engine, replica);
    assert.equal(engine.copied, 1);
    engine.host.stop();
  });

  it('counts what an earlier run left in the journal against that', async () => {
    const before = new Engine(filledDisk(), { segmentSize: 1024 * 1024 });
    for (let i = 0; i < 4; i += 1) before.write('a', i * 64 * 1024, Buffer.alloc(64 * 1024, i + 1));
    await before.host.drain();
    before.host.stop();
    const engine = new Engine(before.remains, { segmentSize: 1024 * 1024 });
    engine.host.limitCopy(256 * 1024);
    await engine.beginCopy();
    const { last } = engine.host.writer;
    for (let i = 0; i < 50; i += 1) await engine.clock.pass(10);
    assert.equal(engine.host.writer.last, last);
    engine.host.stop();
  });

  it('brings over what is marked and nothing else, each volume from its start to its end', async () => {
    const engine = new Engine(filledDisk(), { segmentSize: 1024 * 1024 });
    await engine.beginCopy(0b10110);
    for (let i = 0; i < 20 && engine.copied === 0; i += 1) {
      await engine.clock.pass(10);
      await settle();
    }
    await engine.host.drain();
    await settle();
    const data = engine.closed
      .flatMap(({ raw }) => engine.records(raw))
      .filter(({ kind }) => kind === RecordKind.write || kind === RecordKind.zero);
    const ranges = (volume: number): [number, number][] => {
      const found: [number, number][] = [];
      for (const record of data.filter((candidate) => candidate.volume === volume)) {
        const newest = found.at(-1);
        if (newest?.[1] === record.offset) newest[1] += record.length;
        else found.push([record.offset, record.offset + record.length]);
      }
      return found;
    };
    const wanted = [[64 * 1024, 192 * 1024], [256 * 1024, VOLUME_SIZE]]; // prettier-ignore
    assert.deepEqual([ranges(0), ranges(1)], [wanted, wanted]);
    engine.host.stop();
  });

  it('says nothing of its end once it is stopped, though that is in the journal', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const gate = Promise.withResolvers<undefined>();
    engine.files.syncGate = gate.promise.then(() => undefined);
    await engine.beginCopy(0);
    await engine.clock.pass(0);
    engine.host.stopCopy();
    gate.resolve(undefined);
    await settle();
    assert.equal(engine.copied, 0);
    engine.host.stop();
  });

  it('waits for room in the journal as hosts do, and goes on when there is some', async () => {
    const engine = new Engine(filledDisk(), { segmentSize: 16 * 1024 });
    const replica = new Replica();
    await engine.beginCopy();
    while (engine.volume('a').room() === undefined) engine.write('a', 0, Buffer.alloc(16 * 1024, 1));
    const { last } = engine.host.writer;
    for (let i = 0; i < 50; i += 1) await engine.clock.pass(10);
    assert.equal(engine.host.writer.last, last);
    await run(engine, replica);
    assert.equal(engine.copied, 1);
    await end(engine, replica);
    for (const name of NAMES) assert.ok(replica.content.get(name)!.equals(engine.read(name)));
  });

  it('begins again from the start when it is begun again, and comes to its end once', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica();
    const gate = Promise.withResolvers<undefined>();
    engine.files.syncGate = gate.promise.then(() => undefined);
    await engine.beginCopy();
    await engine.clock.pass(0);
    // The first has copied everything and waits for its end to be durable.
    await engine.beginCopy();
    gate.resolve(undefined);
    await settle();
    assert.equal(engine.copied, 0);
    await run(engine, replica);
    assert.equal(engine.copied, 1);
    await end(engine, replica);
    assert.ok(replica.complete);
  });

  it('goes on by itself when a volume that could not be read is there again', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    const replica = new Replica();
    const { disk } = engine.remains;
    disk.rename('/volumes/b', '/volumes/away');
    await engine.beginCopy();
    await run(engine, replica, 100);
    assert.equal(engine.copied, 0);
    assert.match(engine.troubles.at(-1) ?? '', /volume b/);
    disk.rename('/volumes/away', '/volumes/b');
    await run(engine, replica, 1000);
    assert.equal(engine.copied, 1);
    await end(engine, replica);
    for (const name of NAMES) assert.ok(replica.content.get(name)!.equals(engine.read(name)));
    assert.equal(engine.troubles.at(-1), undefined, 'it is over');
    assert.deepEqual(engine.failures, []);
  });

  it('ends with the journal when that fails', async () => {
    const engine = new Engine(filledDisk(), SEGMENT);
    await engine.beginCopy();
    engine.files.fault = ({ kind }) =>
      kind === 'sync' ? { when: 'before', error: systemError('EIO') } : undefined;
    for (let i = 0; i < 50; i += 1) await engine.clock.pass(10);
    assert.equal(engine.copied, 0);
    assert.equal(engine.failures.length, 1, 'said once, by the journal');
    engine.host.stop();
  });
});
