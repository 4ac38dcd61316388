import assert from 'node:assert/strict';
import { WrittenState } from '../../src/platform/written-state.ts';

describe('a state that is kept in a file', () => {
  function prepare() {
    const written: number[] = [];
    let fails = false;
    const state = new WrittenState(1, (next) => {
      written.push(next);
      if (fails) throw new Error('EIO');
    });
    return { state, written, fail: (does: boolean) => (fails = does) };
  }

  it('is what was last written whole', () => {
    const { state, fail } = prepare();
    state.move(2);
    fail(true);
    assert.throws(() => state.move(3), /EIO/);
    assert.equal(state.current, 2);
  });

  it('is written again before anybody relies on it where the last write failed, and may be in the file', () => {
    const { state, written, fail } = prepare();
    state.settle();
    fail(true);
    assert.throws(() => state.move(2), /EIO/);
    assert.throws(() => state.settle(), /EIO/);
    fail(false);
    state.settle();
    state.settle();
    assert.deepEqual(written, [2, 1, 1]);
  });
});
