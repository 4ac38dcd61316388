import assert from 'node:assert/strict';
import { SECTOR, WriteHistory } from './write-history.ts';

const SECTORS = 512;
const LONG = 160;

/** A region that takes the first `sectors` sectors of a write. */
function put(content: Buffer, first: number, data: Buffer, sectors = data.length / SECTOR): void {
  data.copy(content, first * SECTOR, 0, sectors * SECTOR);
}

describe('the model that tells what a host may find after a crash', () => {
  function prepare(): {
    history: WriteHistory;
    content: Buffer;
    write: (first: number, n: number) => Buffer;
  } {
    const history = new WriteHistory(1, SECTORS * SECTOR);
    const content = Buffer.alloc(SECTORS * SECTOR);
    const write = (first: number, sectors: number): Buffer => {
      const data = history.write(first, sectors);
      put(content, first, data);
      history.answered();
      return data;
    };
    return { history, content, write };
  }

  it('takes what was answered, with or without the write under way', () => {
    for (const there of [true, false]) {
      const { history, content, write } = prepare();
      write(0, 8);
      history.flushed();
      write(4, 8);
      const data = history.write(2, 4);
      if (there) put(content, 2, data);
      assert.equal(history.recover(content, 'answered'), undefined);
      assert.equal(history.recover(content, 'flushed'), undefined, 'what was found is what it goes on from');
    }
  });

  it('refuses a lost answered write, and after a power failure a lost flushed one only', () => {
    const { history, content, write } = prepare();
    write(0, 8);
    const flushed = Buffer.from(content);
    history.flushed();
    write(4, 8);
    assert.match(history.recover(flushed, 'answered') ?? '', /holds 1, its newest write is 2/);
    assert.equal(history.recover(flushed, 'flushed'), undefined);
    assert.match(history.recover(Buffer.alloc(content.length), 'flushed') ?? '', /holds 0/);
  });

  it('refuses a later write that is there without an earlier one', () => {
    const { history, content, write } = prepare();
    write(0, 8);
    const without = Buffer.from(content);
    write(20, 8);
    put(without, 40, write(40, 8));
    assert.match(history.recover(without, 'flushed') ?? '', /no moment has them all/);
  });

  it('takes the first part of a long write, and of no short one', () => {
    for (const [sectors, taken] of [
      [LONG, true],
      [8, false],
    ] as const) {
      const { history, content } = prepare();
      put(content, 0, history.write(0, sectors), 4);
      assert.equal(history.recover(content, 'answered') === undefined, taken);
    }
  });

  it('refuses a byte changed inside a sector, and data where zeros must be', () => {
    const { history, content, write } = prepare();
    write(0, 8);
    content.writeUInt8(content.readUInt8(1000) ^ 1, 1000);
    assert.ok(history.recover(content, 'answered') !== undefined);
    content.writeUInt8(content.readUInt8(1000) ^ 1, 1000);
    history.zero(0, 4);
    history.answered();
    assert.ok(history.recover(content, 'answered') !== undefined);
    content.fill(0, 0, 4 * SECTOR);
    assert.equal(history.recover(content, 'answered'), undefined);
  });

  it('knows which moments a marker may show: from what was answered before to what was sent while it was placed', () => {
    const { history, content, write } = prepare();
    const states = [Buffer.from(content)];
    const then = (): void => void states.push(Buffer.from(content));
    write(0, 8);
    then();
    const mark = history.mark();
    write(4, 8);
    then();
    history.flushed();
    write(6, 8);
    then();
    mark.end();
    write(2, 8);
    then();
    const found = states.map((state) => history.momentOf(state, mark.moments)?.whole);
    assert.deepEqual(found, [undefined, 0, 1, 2, undefined]);
  });

  it('takes a lost write out of the moments of a marker that is placed after the crash', () => {
    const { history, content, write } = prepare();
    write(0, 8);
    history.write(4, 4);
    const mark = history.mark();
    assert.equal(history.recover(content, 'answered'), undefined);
    write(6, 4);
    mark.end();
    assert.equal(history.momentOf(content, mark.moments)?.whole, 1);
  });

  it('keeps in a marker that is placed all along what came before a crash and after it, and not what was lost', () => {
    const { history, content, write } = prepare();
    const mark = history.mark();
    write(0, 8);
    history.flushed();
    write(4, 8);
    history.write(40, 4);
    assert.equal(history.recover(content, 'answered'), undefined);
    write(6, 4);
    assert.equal(mark.moments.entries.length, 3);
    assert.equal(history.momentOf(content, mark.moments)?.whole, 3);
  });
});
