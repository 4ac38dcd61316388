import assert from 'node:assert/strict';
import { UnhurriedReads } from '../../src/capture/unhurried-reads.ts';
import { Engine, freshDisk, VOLUME_SIZE } from './engine.ts';
import { settle } from './journal.ts';

const MIB = 1024 * 1024;
const AHEAD = 4 * MIB;

/** Turns of 10 ms, in which what was copied is destaged. */
async function pass(engine: Engine, turns: number): Promise<void> {
  for (let i = 0; i < turns; i += 1) {
    await engine.clock.pass(10);
    await settle();
    while (engine.closed.length > 0) engine.destage();
  }
}

describe('a copy’s reads of what is not in memory', () => {
  it('keep no host waiting, and take what hosts wrote meanwhile (I3)', async () => {
    const engine = new Engine(freshDisk(0x11), { segmentSize: 1024 * 1024 });
    await engine.beginCopy();
    const gate = Promise.withResolvers<undefined>();
    engine.files.readGate = gate.promise;
    await pass(engine, 5);
    const before = engine.host.writer.last;
    engine.write('a', 0, Buffer.alloc(4096, 0x22));
    assert.equal(engine.host.writer.last, before + 1);
    await pass(engine, 5);
    assert.equal(engine.host.writer.last, before + 1, 'nothing is copied while it is waited for');
    engine.files.readGate = undefined;
    gate.resolve(undefined);
    const copied: Buffer[] = [];
    for (let i = 0; i < 20 && engine.copied === 0; i += 1) {
      await engine.clock.pass(10);
      await settle();
    }
    await engine.host.drain();
    await settle();
    for (const { raw } of engine.closed)
      for (const { volume, offset, payload } of engine.records(raw))
        if (volume === 0 && offset === 0 && payload.length > 4096) copied.push(Buffer.from(payload));
    assert.deepEqual(
      copied.map((payload) => [payload[0], payload[4095], payload[4096]]),
      [[0x22, 0x22, 0x11]],
    );
    engine.host.stop();
  });

  it('wait once for each, though memory has lost it again by then', async () => {
    const engine = new Engine(freshDisk(0x11), { segmentSize: 1024 * 1024 });
    await engine.beginCopy();
    for (let i = 0; i < 50; i += 1) {
      const gate = Promise.withResolvers<undefined>();
      engine.files.readGate = gate.promise;
      await pass(engine, 1);
      engine.files.readGate = Promise.withResolvers<undefined>().promise;
      gate.resolve(undefined);
      await settle();
    }
    assert.equal(engine.copied, 1);
    engine.host.stop();
  });

  it('wait again where they were done waiting before', () => {
    const [reads, into] = [new UnhurriedReads(), Buffer.alloc(4096)];
    let read = 0;
    const volume = {
      read: () => void (read += 1),
      readNow: () => Promise.resolve(),
      extents: () => [],
      startReading: () => undefined,
    };
    for (const pass of [1, 2]) {
      assert.notEqual(reads.fill(volume, 0, into), undefined, 'it is waited for');
      assert.equal(reads.fill(volume, 0, into), undefined);
      assert.equal(read, pass);
    }
  });

  it('go on where they were after a copy that was stopped while one was waited for', async () => {
    const engine = new Engine(freshDisk(0x11), { segmentSize: 1024 * 1024 });
    await engine.beginCopy();
    const gate = Promise.withResolvers<undefined>();
    engine.files.readGate = gate.promise;
    await pass(engine, 5);
    engine.host.stopCopy();
    const { last } = engine.host.writer;
    engine.files.readGate = undefined;
    gate.resolve(undefined);
    await pass(engine, 5);
    assert.equal(engine.host.writer.last, last);
    await engine.beginCopy();
    await pass(engine, 50);
    assert.equal(engine.copied, 1);
    assert.ok(engine.read('a').equals(Buffer.alloc(VOLUME_SIZE, 0x11)));
    engine.host.stop();
  });
});

describe('what is expected to be read', () => {
  interface Range {
    readonly start: number;
    readonly end: number;
  }

  /** Ranges that follow each other are one. */
  const joined = (ranges: readonly Range[]): Range[] =>
    ranges.reduce<Range[]>((all, range) => {
      const before = all.at(-1);
      return before?.end === range.start
        ? [...all.slice(0, -1), { start: before.start, end: range.end }]
        : [...all, range];
    }, []);

  /** Data but for the second half of each MiB. */
  class HalfFull {
    readonly started: Range[] = [];

    extents(offset: number, length: number): { kind: 'data' | 'hole'; length: number }[] {
      const list: { kind: 'data' | 'hole'; length: number }[] = [];
      for (let at = offset; at < offset + length;) {
        const end = Math.min(offset + length, (Math.floor(at / (MIB / 2)) + 1) * (MIB / 2));
        list.push({ kind: at % MIB < MIB / 2 ? 'data' : 'hole', length: end - at });
        at = end;
      }
      return list;
    }

    startReading(start: number, length: number): void {
      this.started.push({ start, end: start + length });
    }

    read(): void {
      assert.fail('nothing is waited for');
    }

    readNow(): undefined {
      return undefined;
    }
  }

  it('is brought in once, data alone, not far ahead and not behind the end', () => {
    const [volume, reads, end] = [new HalfFull(), new UnhurriedReads(), 10 * MIB];
    for (let at = 0; at < end; at += at % MIB === 0 ? MIB / 4 : (3 * MIB) / 4) {
      reads.expect(volume, at, { known: at + MIB / 4, end });
      assert.ok((volume.started.at(-1)?.end ?? 0) <= Math.min(end, at + AHEAD));
      assert.ok((volume.started.at(-1)?.end ?? 0) >= Math.min(end - MIB / 2, at + AHEAD / 2 - MIB / 2));
    }
    const all = Array.from({ length: 10 }, (_, i) => ({ start: i * MIB, end: i * MIB + MIB / 2 }));
    assert.deepEqual(joined(volume.started), all);
  });

  it('is not looked for where it is known', () => {
    const [volume, reads] = [new HalfFull(), new UnhurriedReads()];
    volume.extents = () => assert.fail('it is known');
    for (let at = 0; at < 10 * MIB; at += MIB / 4)
      reads.expect(volume, at, { known: 10 * MIB, end: 10 * MIB });
    assert.deepEqual(joined(volume.started), [{ start: 0, end: 10 * MIB }]);
  });

  it('begins anew elsewhere, and in another volume', () => {
    const [volume, other, reads] = [new HalfFull(), new HalfFull(), new UnhurriedReads()];
    reads.expect(volume, 0, { known: 0, end: MIB });
    reads.expect(volume, 100 * MIB, { known: 0, end: 101 * MIB });
    reads.expect(other, 100 * MIB, { known: 0, end: 101 * MIB });
    reads.expect(volume, 0, { known: 0, end: MIB });
    const half = (start: number): object => ({ start, end: start + MIB / 2 });
    assert.deepEqual(volume.started, [half(0), half(100 * MIB), half(0)]);
    assert.deepEqual(other.started, [half(100 * MIB)]);
  });
});
