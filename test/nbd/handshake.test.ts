import assert from 'node:assert/strict';
import { MemoryVolume } from '../support/memory-volume.ts';
import * as wire from './wire.ts';

const SIZE = 1024 * 1024;
const ACK = 1;
const INVALID = 0x8000_0003;
const UNKNOWN = 0x8000_0006;
const one = [new MemoryVolume('disk', SIZE)];
const two = [new MemoryVolume('oracle', SIZE), new MemoryVolume('logs', 2 * SIZE)];

/** A talk behind the greeting and the client flags. */
function haggling(volumes: readonly MemoryVolume[]): wire.Talk {
  const talk = new wire.Talk(volumes);
  talk.receive(wire.CLIENT_FLAGS);
  talk.take();
  return talk;
}

function ask(talk: wire.Talk, type: number, data?: Buffer): wire.OptionAnswer[] {
  talk.receive(wire.option(type, data));
  return wire.optionAnswers(talk.take());
}

const types = (answers: readonly wire.OptionAnswer[]): number[] => answers.map(({ type }) => type);

describe('the NBD handshake', () => {
  it('greets with fixed newstyle and no zeroes', () => {
    assert.equal(
      new wire.Talk(one).bytes().toString('hex'),
      Buffer.from('NBDMAGICIHAVEOPT\0\x03', 'latin1').toString('hex'),
    );
  });

  it('lists the exports', () => {
    const answers = ask(haggling(two), 3);
    assert.deepEqual(types(answers), [2, 2, ACK]);
    assert.deepEqual(
      answers.slice(0, 2).map(({ data }) => data.toString('utf8', 4)),
      ['oracle', 'logs'],
    );
  });

  it('tells size, flags and block sizes on INFO, and goes on haggling', () => {
    const talk = haggling(two);
    const answers = ask(talk, 6, wire.chooses('logs'));
    assert.equal(answers.at(-1)?.type, ACK);
    const info = new Map(answers.slice(0, -1).map(({ data }) => [data.readUInt16BE(0), data]));
    assert.equal(info.get(0)?.readBigUInt64BE(2), BigInt(2 * SIZE));
    // HAS_FLAGS, FLUSH, FUA, TRIM, WRITE_ZEROES, CAN_MULTI_CONN; not DF (7), CACHE (10), FAST_ZERO (11).
    assert.equal(info.get(0)?.readUInt16BE(10), 0b1_0110_1101);
    assert.deepEqual(
      [2, 6, 10].map((at) => info.get(3)?.readUInt32BE(at)),
      [512, 4096, 32 * 1024 * 1024],
    );
    assert.deepEqual(types(ask(talk, 6, wire.chooses('oracle'))).at(-1), ACK);
  });

  it('takes the empty name for the only export, and refuses it with the names when there are several', () => {
    assert.equal(ask(haggling(one), 7, wire.chooses('')).at(-1)?.type, ACK);
    const [refusal] = ask(haggling(two), 7, wire.chooses(''));
    assert.equal(refusal?.type, UNKNOWN);
    assert.match(refusal.data.toString(), /oracle.*logs/);
    assert.deepEqual(types(ask(haggling(two), 7, wire.chooses('none'))), [UNKNOWN]);
  });

  for (const [flags, length] of [
    [3, 10],
    [1, 134],
  ] as const) {
    it(`answers EXPORT_NAME with ${length} bytes when the client flags are ${flags}`, () => {
      const talk = new wire.Talk(one);
      talk.take();
      talk.receive(Buffer.concat([Buffer.from([0, 0, 0, flags]), wire.option(1, Buffer.from('disk'))]));
      assert.equal(talk.take().length, length);
      talk.receive(wire.request(wire.READ, 1, { length: 512 }));
      assert.equal(talk.take().length, 16 + 512, 'a simple reply');
    });
  }

  it('ends with a reason when EXPORT_NAME names no export', () => {
    const talk = haggling(two);
    talk.receive(wire.option(1, Buffer.from('none')));
    assert.match(talk.ended?.reason ?? '', /"none"/);
  });

  it('answers ABORT and ends', () => {
    const talk = haggling(one);
    assert.deepEqual(types(ask(talk, 2)), [ACK]);
    assert.deepEqual(talk.ended, { reason: undefined });
  });

  it('does not support STARTTLS, nor options it does not know, and goes on', () => {
    const talk = haggling(one);
    for (const option of [5, 11, 4711]) assert.deepEqual(types(ask(talk, option)), [0x8000_0001]);
    assert.equal(ask(talk, 7, wire.chooses('disk')).at(-1)?.type, ACK);
  });

  it('refuses options whose data is not what they have', () => {
    for (const [option, data] of [
      [3, Buffer.from('x')],
      [8, Buffer.from('x')],
      [7, Buffer.alloc(0)],
      [7, Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0])],
      [7, Buffer.concat([wire.string('disk'), Buffer.from([0, 9])])],
      [7, Buffer.concat([wire.chooses('disk'), Buffer.from('x')])],
    ] as const) {
      assert.deepEqual(types(ask(haggling(one), option, data)), [INVALID], `option ${option}`);
    }
  });

  it('lists and sets base:allocation, after structured replies only', () => {
    const talk = haggling(one);
    assert.deepEqual(types(ask(talk, 10, wire.queries('disk', 'base:allocation'))), [INVALID]);
    ask(talk, 8);
    for (const queries of [[], ['base:'], ['base:allocation']]) {
      const [context] = ask(talk, 9, wire.queries('disk', ...queries));
      assert.equal(context?.data.toString('utf8', 4), 'base:allocation');
    }
    assert.deepEqual(types(ask(talk, 9, wire.queries('disk', 'qemu:dirty-bitmap:x'))), [ACK]);
    assert.deepEqual(types(ask(talk, 10, wire.queries('disk', 'base:'))), [ACK]);
    assert.deepEqual(types(ask(talk, 10, wire.queries('disk', 'x-none:', 'base:allocation'))), [4, ACK]);
    assert.deepEqual(types(ask(talk, 10, wire.queries('none', 'base:allocation'))), [UNKNOWN]);
    const cut = wire.queries('disk', 'base:allocation').subarray(0, -1);
    assert.deepEqual(types(ask(talk, 10, Buffer.from(cut))), [INVALID]);
  });

  for (const [what, name, replace] of [
    ['for another export', 'oracle', []],
    ['and then set again to nothing', 'logs', [wire.option(10, wire.queries('logs'))]],
    ['and then set again in vain', 'logs', [wire.option(10, wire.queries('none', 'base:allocation'))]],
  ] as const) {
    it(`answers BLOCK_STATUS with EINVAL when base:allocation was set ${what}`, () => {
      const talk = haggling(two);
      const set = wire.option(
        10,
        wire.queries(what === 'for another export' ? 'logs' : name, 'base:allocation'),
      );
      talk.receive(Buffer.concat([wire.STRUCTURED_REPLY, set, ...replace]));
      talk.receive(wire.option(7, wire.chooses(name)));
      talk.take();
      talk.receive(wire.request(wire.BLOCK_STATUS, 1, { length: 512 }));
      assert.deepEqual(
        wire.replies(talk.take()).map(({ error }) => error),
        [22],
      );
    });
  }

  for (const [what, bytes, reason] of [
    ['unknown client flags', Buffer.from([0, 0, 0, 7]), /flags/],
    ['an option without its magic', Buffer.concat([wire.CLIENT_FLAGS, Buffer.alloc(16, 1)]), /magic/],
    [
      'an oversized option',
      Buffer.concat([wire.CLIENT_FLAGS, wire.option(7, Buffer.alloc(17_000)).subarray(0, 16)]),
      /17000 bytes/,
    ],
    [
      'endless options',
      Buffer.concat([wire.CLIENT_FLAGS, ...Array.from({ length: 300 }, () => wire.option(3))]),
      /256/,
    ],
  ] as const) {
    it(`ends at ${what} with a reason`, () => {
      const talk = new wire.Talk(one);
      talk.receive(Buffer.from(bytes));
      assert.match(talk.ended?.reason ?? '', reason);
    });
  }
});
