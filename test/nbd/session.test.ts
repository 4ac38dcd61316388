import assert from 'node:assert/strict';
import { ioError, MemoryVolume } from '../support/memory-volume.ts';
import * as wire from './wire.ts';

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const volume = (): MemoryVolume => new MemoryVolume('disk', SIZE);
const filled = (length: number, byte: number): Buffer => Buffer.alloc(length, byte);

/** Errors by cookie. */
const errors = (bytes: Buffer): Record<number, number> =>
  Object.fromEntries(wire.replies(bytes).map((reply) => [reply.cookie, reply.error]));

describe('an NBD session in transmission', () => {
  it('hands WRITEs that arrive together over as one run, and answers each', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const writes = [1, 2, 3].map((i) =>
      wire.request(wire.WRITE, i, { offset: i * 4096, data: filled(4096, i) }),
    );
    talk.receive(Buffer.concat(writes));
    assert.deepEqual(disk.calls, ['write 3']);
    assert.deepEqual(errors(talk.take()), { 1: 0, 2: 0, 3: 0 });
    for (const i of [1, 2, 3]) assert.equal(disk.content[i * 4096 + 4095], i);
  });

  it('hands a long WRITE over in pieces and answers it once', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const data = Buffer.from(Array.from({ length: MIB + 512 }, (_, i) => (i * 31 + (i >> 9)) & 255));
    const bytes = wire.request(wire.WRITE, 9, { offset: 512, data });
    talk.receive(bytes.subarray(0, 700_001));
    assert.equal(talk.bytes().length, 0);
    assert.ok(disk.calls.length > 1, 'pieces go on as they arrive');
    talk.receive(bytes.subarray(700_001));
    assert.deepEqual(errors(talk.take()), { 9: 0 });
    assert.ok(disk.content.subarray(512, 512 + data.length).equals(data));
  });

  it('fails a long WRITE as a whole when one piece fails, and throws the rest of its payload away', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    disk.failWriteAt = { offset: 700 * 1024, error: ioError() };
    const long = wire.request(wire.WRITE, 1, { data: filled(2 * MIB, 0x25) });
    const next = wire.request(wire.WRITE, 2, { offset: 0, data: filled(512, 7) });
    talk.receive(Buffer.concat([long, next]));
    assert.deepEqual(errors(talk.take()), { 1: 5, 2: 0 });
    assert.equal(disk.content[MIB + MIB / 2], 0);
    assert.equal(talk.ended, undefined);
  });

  it('answers what cannot be done with the error of the protocol, and goes on', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const data = filled(512, 1);
    const bad = [
      wire.request(wire.READ, 1, { offset: 100, length: 512 }),
      wire.request(wire.READ, 2, { offset: SIZE, length: 512 }),
      wire.request(wire.READ, 3, { length: 32 * MIB + 512 }),
      wire.request(wire.WRITE, 4, { offset: SIZE, data }),
      wire.request(wire.WRITE, 5, { data: filled(100, 1) }),
      wire.request(wire.TRIM, 6, { offset: SIZE - 512, length: 1024 }),
      wire.request(wire.WRITE_ZEROES, 7, { offset: SIZE - 512, length: 1024 }),
      wire.request(wire.BLOCK_STATUS, 8, { offset: SIZE, length: 512 }),
      wire.request(wire.CACHE, 9, { length: 512 }),
      wire.request(77, 10),
      wire.request(wire.READ, 11, { length: 512, flags: wire.DF }),
      wire.request(wire.WRITE_ZEROES, 12, { length: 512, flags: wire.FAST_ZERO }),
      wire.request(wire.WRITE, 13, { flags: 0x8000, data }),
      wire.request(wire.READ, 14),
      wire.request(wire.READ, 15, { offset: 2 ** 60, length: 512 }),
      wire.request(wire.WRITE, 16, { offset: SIZE - 512, data: filled(1024, 1) }),
    ];
    const good = wire.request(wire.READ, 99, { length: 512 });
    talk.receive(Buffer.concat([...bad, good]));
    const expected = [22, 22, 22, 28, 22, 22, 28, 22, 22, 22, 22, 22, 22, 22, 22, 28];
    assert.deepEqual(errors(talk.take()), {
      ...Object.fromEntries(expected.map((e, i) => [i + 1, e])),
      99: 0,
    });
    assert.deepEqual(disk.calls, []);
  });

  it('answers an empty WRITE and what follows it in the same bytes', () => {
    const talk = new wire.Talk([volume()]).go('disk');
    const bytes = [wire.request(wire.WRITE, 1), wire.request(wire.READ, 2, { length: 512 })];
    talk.receive(Buffer.concat(bytes));
    assert.deepEqual(errors(talk.take()), { 1: 22, 2: 0 });
  });

  it('throws the payload of a WRITE that is over the largest block away and answers EINVAL', () => {
    const disk = new MemoryVolume('disk', 64 * MIB);
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(wire.request(wire.WRITE, 1, { length: 33 * MIB }));
    for (let i = 0; i < 33; i += 1) talk.receive(filled(MIB, 0x25));
    talk.receive(wire.request(wire.READ, 2, { length: 512 }));
    assert.deepEqual(errors(talk.take()), { 1: 22, 2: 0 });
    assert.deepEqual(disk.calls, []);
  });

  it('answers FLUSH and FUA only when the volume says that it is durable (I1)', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const gate = Promise.withResolvers<undefined>();
    disk.flushGate = gate.promise;
    talk.receive(
      Buffer.concat([
        wire.request(wire.WRITE, 1, { flags: wire.FUA, data: filled(512, 1) }),
        wire.request(wire.WRITE, 2, { data: filled(512, 2) }),
        wire.request(wire.FLUSH, 3),
        wire.request(wire.TRIM, 4, { length: 4096, flags: wire.FUA }),
        wire.request(wire.WRITE, 5, { offset: 0, flags: wire.FUA, data: filled(MIB, 5) }),
      ]),
    );
    await wire.settle();
    assert.deepEqual(errors(talk.take()), { 2: 0 });
    const flush = disk.calls.indexOf('flush');
    assert.ok(flush > disk.calls.indexOf('write 2'), 'a flush covers what came before it');
    gate.resolve(undefined);
    await wire.settle();
    assert.deepEqual(errors(talk.take()), { 1: 0, 3: 0, 4: 0, 5: 0 });
  });

  it('says of a flush that its host is served alone when nothing else of it is under way or arrived', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const flush = wire.request(wire.FLUSH, 1);
    const durable = wire.request(wire.WRITE, 2, { flags: wire.FUA, data: filled(512, 1) });
    const asked = async (...requests: readonly Buffer[]): Promise<readonly string[]> => {
      disk.calls.length = 0;
      talk.receive(Buffer.concat(requests));
      await wire.settle();
      return disk.calls.filter((call) => call.startsWith('flush'));
    };
    assert.deepEqual(await asked(flush), ['flush'], 'others are served too');
    talk.alone = true;
    assert.deepEqual(await asked(durable), ['flush alone']);
    assert.deepEqual(await asked(flush, durable), ['flush', 'flush']);
    assert.deepEqual(await asked(flush.subarray(0, 20)), []);
    assert.deepEqual(await asked(flush.subarray(20)), ['flush alone']);
    const long = wire.request(wire.WRITE, 3, { flags: wire.FUA, data: filled(MIB, 1) });
    assert.deepEqual(await asked(long), ['flush alone']);
  });

  it('answers a flush that fails with its error', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    disk.flushGate = Promise.reject(ioError());
    talk.receive(wire.request(wire.FLUSH, 1));
    await wire.settle();
    assert.deepEqual(errors(talk.take()), { 1: 5 });
  });

  it('answers what waits for a flush before it ends after DISC, and takes nothing behind it', async () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    const gate = Promise.withResolvers<undefined>();
    disk.flushGate = gate.promise;
    const late = wire.request(wire.WRITE, 2, { data: filled(512, 9) });
    talk.receive(Buffer.concat([wire.request(wire.FLUSH, 1), wire.request(wire.DISC, 0), late]));
    await wire.settle();
    assert.equal(talk.ended, undefined);
    gate.resolve(undefined);
    await wire.settle();
    assert.deepEqual(errors(talk.take()), { 1: 0 });
    assert.deepEqual(talk.ended, { reason: undefined });
    assert.deepEqual(disk.calls, ['flush']);
  });

  it('trims and zeroes, keeping blocks when the host wants them kept', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(
      Buffer.concat([
        wire.request(wire.TRIM, 1, { offset: 512, length: 1024 }),
        wire.request(wire.WRITE_ZEROES, 2, { offset: 4096, length: 4096, flags: wire.NO_HOLE }),
        wire.request(wire.WRITE_ZEROES, 3, { offset: 8192, length: 4096 }),
      ]),
    );
    assert.deepEqual(disk.calls, ['zero 512 1024 free', 'zero 4096 4096 keep', 'zero 8192 4096 free']);
    assert.deepEqual(errors(talk.take()), { 1: 0, 2: 0, 3: 0 });
  });

  it('tells data, zeros and holes apart in BLOCK_STATUS, and one extent when one is wanted', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    talk.receive(
      Buffer.concat([
        wire.request(wire.WRITE, 1, { offset: 4096, data: filled(4096, 1) }),
        wire.request(wire.WRITE_ZEROES, 2, { offset: 8192, length: 4096, flags: wire.NO_HOLE }),
      ]),
    );
    talk.take();
    talk.receive(
      Buffer.concat([
        wire.request(wire.BLOCK_STATUS, 3, { length: SIZE }),
        wire.request(wire.BLOCK_STATUS, 4, { length: SIZE, flags: wire.REQ_ONE }),
      ]),
    );
    const [all, one] = wire.replies(talk.take());
    const numbers = (data: Buffer): number[] =>
      Array.from({ length: data.length / 4 }, (_, i) => data.readUInt32BE(i * 4));
    const context = numbers(all!.data)[0]!;
    assert.deepEqual(numbers(all!.data), [context, 4096, 3, 4096, 0, 4096, 2, SIZE - 12288, 3]);
    assert.deepEqual(numbers(one!.data), [context, 4096, 3]);
  });

  it('reports a READ that fails late within its structured reply', () => {
    const disk = new MemoryVolume('disk', 4 * MIB);
    const talk = new wire.Talk([disk]).go('disk');
    disk.failReadAt = { offset: 2 * MIB, error: ioError() };
    talk.receive(wire.request(wire.READ, 1, { length: 4 * MIB }));
    talk.receive(wire.request(wire.READ, 2, { length: 512 }));
    assert.deepEqual(errors(talk.take()), { 1: 5, 2: 0 });
  });

  it('says why a request is answered EIO, with the stack of an error that nobody foresaw', () => {
    const disk = volume();
    const talk = new wire.Talk([disk]).go('disk');
    disk.failReadAt = { offset: 0, error: new TypeError('nobody foresaw this') };
    talk.receive(wire.request(wire.READ, 1, { length: 512 }));
    assert.deepEqual(errors(talk.take()), { 1: 5 });
    const [failure] = talk.failures;
    assert.deepEqual([failure?.code, failure?.message], ['EIO', 'nobody foresaw this']);
    assert.ok(failure?.cause instanceof TypeError);
  });

  for (const [what, bytes, reason] of [
    ['a bad magic', Buffer.alloc(28, 0x55), /magic/],
    ['an impossible length', wire.request(wire.WRITE, 2, { length: 0xffff_fe00 }), /4294966784/],
  ] as const) {
    it(`ends at ${what} with a reason, after answering what came before`, () => {
      const disk = volume();
      const talk = new wire.Talk([disk]).go('disk');
      talk.receive(
        Buffer.concat([wire.request(wire.WRITE, 1, { data: filled(512, 1) }), bytes, filled(4096, 3)]),
      );
      assert.deepEqual(errors(talk.take()), { 1: 0 });
      assert.match(talk.ended?.reason ?? '', reason);
      talk.receive(wire.request(wire.WRITE, 3, { data: filled(512, 1) }));
      assert.deepEqual(disk.calls, ['write 1']);
    });
  }

  for (const [where, bytes, reason] of [
    ['between two requests', wire.request(wire.READ, 1, { length: 512 }), undefined],
    ['in a header', wire.request(wire.READ, 1).subarray(0, 20), /middle/],
    [
      'in a short payload',
      wire.request(wire.WRITE, 1, { data: filled(4096, 1) }).subarray(0, 2000),
      /middle/,
    ],
    [
      'in a long payload',
      wire.request(wire.WRITE, 1, { data: filled(MIB, 1) }).subarray(0, 2048 + 28),
      /middle/,
    ],
  ] as const) {
    it(`tells a host that leaves ${where} ${reason === undefined ? 'from' : 'as'} one that is cut off`, () => {
      const talk = new wire.Talk([volume()]).go('disk');
      talk.receive(Buffer.from(bytes));
      talk.session.hostLeft();
      assert.ok(talk.ended !== undefined);
      if (reason === undefined) assert.equal(talk.ended.reason, undefined);
      else assert.match(talk.ended.reason ?? '', reason);
    });
  }
});
