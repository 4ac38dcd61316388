import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ioError, MemoryVolume } from '../support/memory-volume.ts';
import * as wire from './wire.ts';

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const volume = (): MemoryVolume => new MemoryVolume('disk', SIZE);
const filled = (length: number, byte: number): Buffer => Buffer.alloc(length, byte);

/** Errors by cookie. */
const errors = (bytes: Buffer): Record<number, number> =>
  Object.fromEntries(wire.replies(bytes).map((reply) => [reply.cookie, reply.error]));

describe('an NBD session that must wait', () => {
  it('keeps a host that floods it with FLUSH waiting', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const gate = Promise.withResolvers<undefined>();
    disk.flushGate = gate.promise;
    talk.receive(Buffer.concat(Array.from({ length: 5000 }, (_, i) => wire.request(wire.FLUSH, i))));
    assert.ok(disk.calls.length <= 1024, `${disk.calls.length} flushes at once`);
    gate.resolve(undefined);
    for (let i = 0; i < 20; i += 1) await wire.settle();
    await wire.settle();
    assert.equal(wire.replies(talk.take()).length, 5000);
  });

  it('waits for room, losing nothing that was received, in order', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const open = disk.close();
    const long = wire.request(wire.WRITE, 1, { data: filled(MIB, 1) });
    const rest = [
      wire.request(wire.WRITE, 2, { data: filled(512, 2) }),
      wire.request(wire.TRIM, 3, { offset: 4096, length: 4096 }),
      wire.request(wire.READ, 4, { length: 1024 }),
    ];
    const bytes = Buffer.concat([long, ...rest]);
    for (let at = 0; at < bytes.length; at += 65536) talk.receive(bytes.subarray(at, at + 65536));
    assert.equal(talk.full, true);
    assert.deepEqual(disk.calls, []);
    open();
    await wire.settle();
    assert.equal(talk.full, false);
    const answers = wire.replies(talk.take());
    assert.deepEqual(
      answers.map((reply) => [reply.cookie, reply.error]),
      [1, 2, 3, 4].map((cookie) => [cookie, 0]),
    );
    assert.ok(answers[3]!.data.equals(Buffer.concat([filled(512, 2), filled(512, 1)])));
  });

  it('reads on while requests wait for room, up to its memory, so that it sees its host leave', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    disk.close();
    const bytes = wire.request(wire.WRITE, 1, { data: filled(MIB, 1) });
    let given = 0;
    for (; !talk.full; given += 65536) talk.receive(bytes.subarray(given, given + 65536));
    assert.ok(given > 400 * 1024 && given < 700 * 1024, `full after ${given} bytes`);
  });

  it('lets a host that leaves while its requests wait for room go at once, and does nothing for it later', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const open = disk.close();
    talk.receive(wire.request(wire.WRITE, 1, { data: filled(MIB, 1) }).subarray(0, 300_000));
    talk.session.hostLeft();
    assert.match(talk.ended?.reason ?? '', /waited for room/);
    open();
    await wire.settle();
    assert.deepEqual(disk.calls, []);
    assert.equal(talk.bytes().length, 0);
  });

  it('still answers a host that has said all it wants and takes its replies slowly', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk], MIB).go('disk');
    const reads = [1, 2, 3, 4].map((i) => wire.request(wire.READ, i, { length: MIB }));
    talk.receive(Buffer.concat(reads));
    talk.session.hostLeft();
    assert.ok(talk.ended === undefined);
    const got: Buffer[] = [];
    for (let i = 0; i < 40; i += 1) {
      got.push(talk.take());
      await wire.settle();
    }
    assert.deepEqual(errors(Buffer.concat(got)), { 1: 0, 2: 0, 3: 0, 4: 0 });
    assert.deepEqual(talk.ended, { reason: undefined });
  });

  it('is not kept in memory by a wait for room that outlasts it', async () => {
    const disk = volume();
    disk.close();
    const ended = Array.from({ length: 20 }, () => {
      const talk = new wire.Talk([disk]).go('disk');
      talk.receive(wire.request(wire.WRITE, 1, { data: filled(512, 1) }));
      talk.session.end();
      return new WeakRef(talk.session);
    });
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 5; i += 1) {
      await wire.settle();
      collect();
    }
    const kept = ended.filter((session) => session.deref() !== undefined).length;
    assert.ok(kept <= 1, `${kept} sessions are still in memory`);
  });

  it('goes on to the error when the wait for room fails, instead of hanging', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    let asked = 0;
    disk.room = () => ((asked += 1) === 1 ? Promise.reject(new Error('the engine stopped')) : undefined);
    disk.write = () => {
      throw ioError();
    };
    talk.receive(wire.request(wire.WRITE, 1, { data: filled(512, 1) }));
    await wire.settle();
    assert.deepEqual(errors(talk.take()), { 1: 5 });
  });

  it('answers no further READ while its host leaves the replies unread', async () => {
    const disk = new MemoryVolume('disk', 32 * MIB);
    const talk = new wire.Talk([disk], MIB).go('disk');
    const reads = Array.from({ length: 8 }, (_, i) => wire.request(wire.READ, i, { length: 32 * MIB }));
    talk.receive(Buffer.concat(reads));
    let total = 0;
    for (let i = 0; i < 2000 && total < 256 * MIB; i += 1) {
      const bytes = talk.take();
      assert.ok(bytes.length < 2 * MIB, `${bytes.length} bytes of replies at once`);
      total += bytes.length;
      await wire.settle();
    }
    assert.ok(total > 256 * MIB);
    await wire.settle();
    assert.equal(talk.full, false);
  });
});
