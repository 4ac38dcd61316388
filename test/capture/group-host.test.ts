import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { LSN_MAX } from '../../src/journal/ids.ts';
import { RecordKind } from '../../src/journal/record.ts';
import { errorCode } from '../../src/platform/errors.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, systemError } from '../support/tampered-files.ts';
import { Engine, freshDisk, History, VOLUME_SIZE } from './engine.ts';
import { isSettled, settle } from './journal.ts';
import * as wire from '../nbd/wire.ts';

const SECTOR = 512;
const SECTORS = VOLUME_SIZE / SECTOR;
const MARKER = { id: 'ab'.repeat(16), kind: 'snapshot', name: 'noon' } as const;

interface Step {
  readonly kind: 'write' | 'zero' | 'destage' | 'close';
  readonly volume: 'a' | 'b';
  readonly start: number;
  readonly length: number;
  readonly fill: number;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('write', 'write', 'write', 'zero', 'destage', 'close'),
    volume: fc.constantFrom('a', 'b'),
    start: fc.nat(SECTORS - 1),
    length: fc.integer({ min: 1, max: 40 }),
    fill: fc.integer({ min: 1, max: 255 }),
  }),
  { maxLength: 60 },
);

/** Does one step on the engine and in the history. @throws HostError */
function take(engine: Engine, history: History, step: Step): void {
  const offset = step.start * SECTOR;
  const length = Math.min(step.length, SECTORS - step.start) * SECTOR;
  const { writer } = engine.host;
  const note = (at: number): void => {
    if (step.kind === 'write') history.add(at, step.volume, offset, Buffer.alloc(length, step.fill));
    else if (step.kind === 'zero') history.add(at, step.volume, offset, Buffer.alloc(length));
  };
  try {
    if (step.kind === 'write') engine.write(step.volume, offset, Buffer.alloc(length, step.fill));
    else if (step.kind === 'zero')
      engine.volume(step.volume).zero(offset, length, { keepAllocated: step.fill % 2 === 0 });
    else if (step.kind === 'close') writer.close();
    else engine.destage();
  } catch (error) {
    // One that died behind an append told nobody, but its record may be there: the next, but for the first, which is the clock's.
    if (writer.last > 0) note(writer.last + 1);
    throw error;
  }
  note(writer.last);
}

function assertVolumes(engine: Engine, history: History, context = ''): void {
  const { last } = engine.host.writer;
  for (const name of ['a', 'b'])
    assert.ok(engine.read(name).equals(history.at(last, name)), `volume ${name} at ${last} ${context}`);
}

/** Rolls and destages until there is room. */
async function makeRoom(engine: Engine): Promise<void> {
  while (engine.volume('a').room() !== undefined) {
    await settle();
    engine.destage();
  }
}

describe('a source group’s host path', () => {
  it('lets reads see what was written at once, destaged or not, whatever overlaps what (I2)', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const engine = new Engine(freshDisk(0x11));
        const history = new History(0x11);
        for (const step of list) {
          await makeRoom(engine);
          take(engine, history, step);
          await settle();
          assertVolumes(engine, history, step.kind);
        }
        while (engine.destage()) assertVolumes(engine, history);
        engine.host.stop();
      }),
      { numRuns: 25 },
    );
  });

  it('gives the same after a restart that finds everything in the journal still undestaged', async () => {
    const engine = new Engine(freshDisk(0x11));
    const history = new History(0x11);
    const random = seededRandom('restart');
    for (let i = 0; i < 120; i += 1) {
      const kind = i % 7 === 6 ? 'zero' : 'write';
      const [start, length] = [Math.floor(random.fraction() * SECTORS), 1 + (i % 9)];
      if (engine.volume('a').room() !== undefined) break;
      take(engine, history, { kind, volume: i % 2 === 0 ? 'a' : 'b', start, length, fill: 1 + i });
    }
    await engine.volume('a').flush(false);
    engine.host.stop();
    const again = new Engine(engine.remains);
    assertVolumes(again, history, 'after the restart');
    assert.ok(again.closed.length > 1);
    while (again.destage()) assertVolumes(again, history, 'while it destages');
    again.host.stop();
  });

  for (const when of ['before', 'after'] as const) {
    it(`has every flushed write after it died ${when} any change, and is at one point of its history (I1, I2, I6)`, async () => {
      const random = seededRandom(`death ${when}`);
      let n = 1;
      for (let dead = true; dead; n += 1) {
        const remains = freshDisk(0x11);
        const history = new History(0x11);
        let flushed = 0;
        try {
          const engine = new Engine(remains, {}, (files) => files.dieAt(n, when));
          for (let i = 0; i < 30; i += 1) {
            if (engine.host.writer.failure !== undefined) throw new Crash();
            if (engine.volume('a').room() !== undefined) engine.destage();
            const start = (i * 37) % (SECTORS - 8);
            const kind = i % 6 === 5 ? 'zero' : 'write';
            take(engine, history, {
              kind,
              volume: i % 2 === 0 ? 'a' : 'b',
              start,
              length: 1 + (i % 8),
              fill: i + 1,
            });
            if (i % 5 === 4) {
              const { last } = engine.host.writer;
              await engine.volume('b').flush(i % 2 === 0);
              flushed = last;
            }
            await settle();
            if (i % 4 === 3) engine.destage();
          }
          dead = false;
        } catch (error) {
          const died = error instanceof Crash || String(error).includes('the process died');
          assert.ok(died || errorCode(error) === 'VOLUME_OFFLINE', String(error));
        }
        remains.disk.cutPower(() => random.fraction() < 0.5);
        const again = new Engine(remains);
        assert.ok(again.host.writer.last >= flushed, `call ${n}: ${again.host.writer.last} of ${flushed}`);
        assertVolumes(again, history, `died at call ${n}`);
        while (again.destage()) assertVolumes(again, history, `died at call ${n}`);
        again.host.stop();
      }
      assert.ok(n > 60, `${n} calls were tried`);
    });
  }

  it('takes what a failed append left behind the end for no record, though one start after another dies (I2, I6)', async () => {
    const random = seededRandom('failed append');
    const engine = new Engine(freshDisk(0x11));
    const { remains } = engine;
    engine.write('a', 0, Buffer.alloc(SECTOR, 1));
    const { last } = engine.host.writer;
    engine.files.fault = ({ kind }) =>
      kind === 'write' ? { when: 'after', error: systemError('ENOSPC') } : undefined;
    assert.throws(() => engine.write('a', 0, Buffer.alloc(SECTOR, 2)), { code: 'ENOSPC' });
    engine.files.fault = () => undefined;
    assert.equal(engine.volume('a').room(), undefined, 'it goes on in another file');
    await engine.volume('a').flush(false);
    engine.host.stop();
    let n = 1;
    for (let dead = true; dead; n += 1) {
      try {
        const again = new Engine(remains, {}, (files) => files.dieAt(n, 'after'));
        dead = false;
        assert.equal(again.host.writer.last, last);
        assert.ok(again.read('a', 0, SECTOR).equals(Buffer.alloc(SECTOR, 1)));
        again.host.stop();
      } catch (error) {
        assert.ok(error instanceof Crash, String(error));
        remains.disk.cutPower(() => random.fraction() < 0.5);
      }
    }
    assert.ok(n > 8, `${n} calls were tried`);
  });

  it('hands on what an earlier run left only after a sync of its own (I2)', async () => {
    const engine = new Engine();
    engine.write('a', 0, Buffer.alloc(SECTOR, 1));
    await engine.volume('a').flush(false);
    engine.host.stop();
    const order: string[] = [];
    const again = new Engine(engine.remains, {}, (files) => {
      files.fault = ({ kind, path }) => {
        if (kind === 'sync' && path.endsWith('.open')) order.push('sync');
        return undefined;
      };
    });
    assert.deepEqual([order, again.closed.length], [['sync'], 1]);
    again.host.stop();
  });

  it('writes what was not known to be durable again before that sync, and neither of them for the rest (I2)', async () => {
    const engine = new Engine();
    const begin = async (): Promise<string> => {
      engine.write('a', 0, Buffer.alloc(SECTOR, 1));
      await engine.volume('a').flush(false);
      assert.ok(engine.host.writer.close());
      await engine.host.writer.handedOn();
      return engine.closed.at(-1)!.raw.path;
    };
    const paths = [await begin(), await begin(), await begin()];
    engine.host.stop();
    const changed: [string, string][] = [];
    const again = new Engine(engine.remains, {}, (files) => {
      files.fault = ({ kind, path }) => {
        if ((kind === 'write' || kind === 'sync') && paths.includes(path)) changed.push([kind, path]);
        return undefined;
      };
    });
    const expected = ['write', 'sync'].map((kind) => [kind, paths[2]]);
    assert.deepEqual([again.closed.length, changed], [3, expected]);
    again.host.stop();
  });

  it('answers a host that waits for room as soon as writes begin to be refused', async () => {
    const engine = new Engine();
    while (engine.volume('a').room() === undefined) engine.write('a', 0, Buffer.alloc(16 * 1024, 1));
    const talk = new wire.Talk(engine.host.volumes).go('a');
    talk.receive(wire.request(wire.WRITE, 1, { data: Buffer.alloc(SECTOR, 9) }));
    talk.receive(wire.request(wire.TRIM, 2, { length: SECTOR }));
    await settle();
    assert.equal(talk.bytes().length, 0, 'it waits');
    engine.host.refuse({ code: 'ENOSPC', message: 'the buffer is full' });
    await settle();
    const refused = wire.replies(talk.take());
    assert.deepEqual(
      refused.map(({ cookie, error }) => [cookie, error]),
      [
        [1, 28],
        [2, 28],
      ],
    );
    talk.receive(wire.request(wire.READ, 3, { length: SECTOR }));
    assert.equal(wire.replies(talk.take())[0]?.error, 0, 'reads go on');
    engine.host.refuse(undefined);
    await makeRoom(engine);
    talk.receive(wire.request(wire.WRITE, 4, { data: Buffer.alloc(SECTOR, 9) }));
    assert.equal(wire.replies(talk.take())[0]?.error, 0, 'and writes, once they are taken again');
    engine.host.stop();
  });

  it('answers hosts that wait for room, or for a flush, when the journal fails', async () => {
    const engine = new Engine();
    const gate = Promise.withResolvers<undefined>();
    engine.files.syncGate = gate.promise.then(() => undefined);
    while (engine.volume('a').room() === undefined) engine.write('a', 0, Buffer.alloc(16 * 1024, 1));
    engine.files.fault = ({ kind }) =>
      kind === 'sync' ? { when: 'before', error: systemError('EIO') } : undefined;
    const talk = new wire.Talk(engine.host.volumes).go('a');
    talk.receive(wire.request(wire.FLUSH, 1));
    talk.receive(wire.request(wire.WRITE, 2, { data: Buffer.alloc(SECTOR, 9) }));
    await settle();
    assert.equal(talk.bytes().length, 0);
    gate.resolve(undefined);
    for (let i = 0; i < 4; i += 1) await settle();
    const errors = wire.replies(talk.take()).map(({ cookie, error }) => [cookie, error]);
    assert.deepEqual(errors.sort(), [
      [1, 5],
      [2, 5],
    ]);
    assert.equal(engine.failures.length, 1);
    engine.host.stop();
  });

  it('makes a marker the last record of its segment, behind all that was acknowledged before (I9)', async () => {
    const engine = new Engine();
    engine.write('a', 0, Buffer.alloc(SECTOR, 1));
    engine.write('b', 0, Buffer.alloc(SECTOR, 2));
    const { last } = engine.host.writer;
    const placed = await engine.host.placeMarker(MARKER);
    engine.write('a', 0, Buffer.alloc(SECTOR, 3));
    await settle();
    const records = engine.records(engine.closed[0]!.raw);
    assert.equal(records.at(-1)?.kind, RecordKind.marker);
    assert.equal(records.at(-1)?.lsn, placed.lsn);
    assert.equal(placed.lsn, last + 1);
    assert.ok(engine.host.writer.durableLast >= placed.lsn, 'durable before it is said to be placed');
    engine.host.stop();
  });

  it('places a marker once there is a segment to go on with, and refuses it when the journal has failed', async () => {
    const engine = new Engine();
    while (engine.volume('a').room() === undefined) engine.write('a', 0, Buffer.alloc(16 * 1024, 1));
    await settle();
    const placing = engine.host.placeMarker(MARKER);
    assert.equal(await isSettled(placing), false);
    engine.destage();
    const placed = await placing;
    engine.files.fault = ({ kind, path }) =>
      kind === 'sync' && path.startsWith('/group')
        ? { when: 'before', error: systemError('EIO') }
        : undefined;
    engine.write('a', 0, Buffer.alloc(SECTOR, 1));
    await assert.rejects(engine.volume('a').flush(false), { code: 'EIO' });
    await assert.rejects(engine.host.placeMarker(MARKER), { code: 'JOURNAL_FAILED' });
    assert.ok(placed.lsn < LSN_MAX);
    engine.host.stop();
  });

  it('refuses what does not fit a volume, and reads that its file cannot serve', () => {
    const engine = new Engine();
    for (const [offset, length] of [
      [VOLUME_SIZE, SECTOR],
      [VOLUME_SIZE - SECTOR, 2 * SECTOR],
      [100, SECTOR],
      [0, 100],
      [-SECTOR, SECTOR],
    ] as const) {
      assert.throws(() => engine.write('a', offset, Buffer.alloc(length)), { code: 'EINVAL' });
      assert.throws(() => engine.volume('a').zero(offset, length, { keepAllocated: false }), {
        code: 'EINVAL',
      });
      assert.throws(() => engine.read('a', offset, length), { code: 'EINVAL' });
    }
    engine.write('a', 0, Buffer.alloc(SECTOR, 5));
    engine.remains.disk.remove('/volumes/a');
    assert.throws(() => engine.read('a', SECTOR, SECTOR), { code: 'EIO' });
    assert.equal(engine.read('a', 0, SECTOR)[0], 5, 'what the journal has is still served');
    engine.host.stop();
  });
});
