import assert from 'node:assert/strict';
import { Attention } from '../../src/platform/node/attention.ts';

const HOST = Symbol('a host');
const OTHER = Symbol('another');

/** A thread whose turns take a hundredth of a millisecond each. */
class Thread {
  time = 0;
  turns = 0;
  #next: (() => void) | undefined;
  readonly attention = new Attention({ now: () => this.time, next: (then) => (this.#next = then) });

  /** Until it sleeps, or for so long. */
  run(time: number): void {
    for (const end = this.time + time; this.#next !== undefined && this.time < end; this.turns += 1) {
      const next = this.#next;
      this.#next = undefined;
      this.time += 0.01;
      next();
    }
  }

  get sleeps(): boolean {
    return this.#next === undefined;
  }

  serve(takes = 0, host = HOST): void {
    this.attention.pay(host, () => (this.time += takes));
  }
}

describe('how a thread waits for hosts', () => {
  it('sleeps at once behind a request that came after a while', () => {
    const thread = new Thread();
    for (let i = 0; i < 10; i += 1) {
      thread.serve();
      assert.ok(thread.sleeps);
      thread.time += 0.2;
    }
  });

  it('looks for more behind one that came soon, for as long as they do, and then sleeps', () => {
    const thread = new Thread();
    for (let i = 0; i < 10; i += 1) {
      thread.serve(3);
      thread.run(0.04);
      assert.equal(thread.sleeps, i === 0);
      thread.time += i === 0 ? 0.04 : 0;
    }
    thread.run(1);
    assert.ok(thread.sleeps);
    assert.ok(thread.turns < 50, `${thread.turns} turns`);
    thread.time += 1;
    thread.serve();
    assert.ok(thread.sleeps);
  });

  it('sleeps at once while hosts take turns, and looks for more again behind one that comes twice', () => {
    const thread = new Thread();
    for (let i = 0; i < 10; i += 1) {
      thread.serve(0, i % 2 === 0 ? HOST : OTHER);
      assert.ok(thread.sleeps);
      thread.time += 0.01;
    }
    thread.serve(0, OTHER);
    assert.ok(!thread.sleeps);
  });
});
