import assert from 'node:assert/strict';
import { Outbox } from '../../src/nbd/outbox.ts';
import { seededRandom } from '../support/random.ts';

const KIB = 1024;

describe('replies on their way to a host', () => {
  let sent: Buffer[];
  /** As they were when they were sent. */
  let copies: Buffer[];
  let total: number;
  /** Bytes of these that the system has taken. */
  let taken: number;
  let outbox: Outbox;
  beforeEach(() => {
    [sent, copies, total, taken] = [[], [], 0, 0];
    const send = (bytes: Buffer): void => {
      sent.push(bytes);
      copies.push(Buffer.from(bytes));
      total += bytes.length;
    };
    outbox = new Outbox({ send, unsent: () => total - taken });
  });

  const put = (fill: number, length: number): void => {
    const at = outbox.reserve(length);
    outbox.bytes.fill(fill, at, at + length);
  };
  const isAll = (bytes: Buffer | undefined, fill: number): boolean =>
    bytes?.every((one) => one === fill) === true;

  const isSameMemory = (a: number, b: number): boolean => sent[a]?.buffer === sent[b]?.buffer;

  function assertUntakenIsThere(): void {
    for (let k = sent.length - 1, start = total; k >= 0 && start > taken; k -= 1) {
      start -= sent[k]!.length;
      const from = Math.max(0, taken - start);
      assert.ok(sent[k]!.subarray(from).equals(copies[k]!.subarray(from)), `piece ${k} was overwritten`);
    }
  }

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
    taken = total;
    put(2, 600 * KIB);
    outbox.flush();
    assert.ok(isSameMemory(1, 0));
    put(3, 16);
    outbox.flush();
    put(4, 16);
    outbox.flush();
    assert.ok(isSameMemory(3, 2), 'what is behind it is free');
    put(5, 1040 * KIB);
    outbox.flush();
    assert.ok(!isSameMemory(4, 3));
    assertUntakenIsThere();
    taken = total;
    put(6, 8);
    outbox.flush();
    assert.ok(isSameMemory(5, 4) && sent[5]?.byteOffset === 0 && isAll(sent[5], 6));
  });

  it('have no memory but the first while no more than two chunks are not taken, wherever these lie', () => {
    const random = seededRandom('chunks');
    for (let i = 0; i < 200; i += 1) {
      taken = Math.max(taken, total - 512 * KIB);
      put(i, random.fraction() < 0.5 ? 256 * KIB + 28 : Math.ceil(random.fraction() * 256 * KIB));
      outbox.flush();
      assert.ok(isSameMemory(i, 0), `${i} got memory of its own`);
      assertUntakenIsThere();
    }
  });

  it('are never put over what is not taken, however much that is', () => {
    const random = seededRandom('rounds');
    for (let i = 0; i < 400; i += 1) {
      put(i, Math.ceil(random.fraction() * 400 * KIB));
      assertUntakenIsThere();
      if (random.fraction() < 0.7) outbox.flush();
      taken += Math.floor((total - taken) * random.fraction() * random.fraction());
    }
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
