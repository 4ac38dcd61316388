import assert from 'node:assert/strict';
import { Outbox } from '../../src/nbd/outbox.ts';

const KIB = 1024;

describe('replies on their way to a host', () => {
  let sent: Buffer[];
  let isTaken: boolean;
  let outbox: Outbox;
  beforeEach(() => {
    [sent, isTaken] = [[], true];
    outbox = new Outbox({ send: (bytes) => sent.push(bytes), isTaken: () => isTaken });
  });

  const put = (fill: number, length: number): void => {
    const at = outbox.reserve(length);
    outbox.bytes.fill(fill, at, at + length);
  };
  const isAll = (bytes: Buffer | undefined, fill: number): boolean =>
    bytes?.every((one) => one === fill) === true;

  const isSameMemory = (a: number, b: number): boolean => sent[a]?.buffer === sent[b]?.buffer;

  it('leave together, in order, when they are told to, or when they are a lot', () => {
    put(1, 16);
    put(2, 16);
    assert.equal(sent.length, 0);
    outbox.flush();
    outbox.flush();
    assert.deepEqual(
      sent.map(({ length }) => length),
      [32],
    );
    assert.deepEqual([sent[0]?.[0], sent[0]?.[31]], [1, 2]);
    for (let i = 0; i < 3; i += 1) put(i, 100 * KIB);
    assert.deepEqual(
      sent.map(({ length }) => length),
      [32, 200 * KIB],
    );
  });

  it('use memory again that the system has taken, and leave alone what it has not', () => {
    put(1, 600 * KIB);
    outbox.flush();
    put(2, 600 * KIB);
    outbox.flush();
    assert.ok(isSameMemory(1, 0));
    isTaken = false;
    put(3, 16);
    outbox.flush();
    put(4, 16);
    outbox.flush();
    assert.ok(isSameMemory(3, 2), 'what is behind it is free');
    put(5, 1040 * KIB);
    outbox.flush();
    assert.ok(!isSameMemory(4, 3));
    assert.ok(isAll(sent[2], 3) && isAll(sent[3], 4) && isAll(sent[4], 5));
    isTaken = true;
    put(6, 8);
    outbox.flush();
    assert.ok(isSameMemory(5, 4) && sent[5]?.byteOffset === 0 && isAll(sent[5], 6));
  });

  it('send nothing of one that could not be made, and keep no memory that only one needed', () => {
    put(1, 16);
    outbox.takeBack(outbox.reserve(4096));
    put(2, 16);
    outbox.flush();
    assert.equal(sent[0]?.length, 32);
    put(3, 4096 * KIB);
    outbox.flush();
    assert.ok(isAll(sent[1], 3));
    assert.equal(outbox.bytes.length, 0);
  });
});
