import assert from 'node:assert/strict';
import { SharedSync } from '../../src/capture/shared-sync.ts';
import { lsn, type Lsn } from '../../src/journal/ids.ts';

/** A medium of which each sync is told, and those in another thread end when they are let. */
class Medium {
  time = 0;
  readonly calls: string[] = [];
  last: Lsn = lsn(1);
  /** Milliseconds of a sync in this thread. */
  takes = 0.3;
  refuses = false;
  error: Error | undefined;
  #end: PromiseWithResolvers<undefined> | undefined;
  readonly syncs = new SharedSync({
    durable: lsn(0),
    last: () => this.last,
    sync: async (target) => {
      this.calls.push(`elsewhere ${target}`);
      this.#end = Promise.withResolvers();
      await this.#end.promise;
    },
    syncNow: () => {
      if (this.refuses) return false;
      this.calls.push(`here ${this.last}`);
      this.time += this.takes;
      if (this.error !== undefined) throw this.error;
      return true;
    },
    clock: { monotonic: () => this.time },
    due: () => false,
    onFailed: () => new Error('the journal failed'),
  });

  end(): void {
    this.#end?.resolve(undefined);
  }
}

describe('a durability that is waited for together (I1)', () => {
  it('is waited for in this thread where nobody else is kept waiting', async () => {
    const medium = new Medium();
    await medium.syncs.waitHere();
    assert.equal(medium.syncs.durable, 1);
    await medium.syncs.waitHere();
    assert.deepEqual(medium.calls, ['here 1'], 'what is durable needs no other sync');
  });

  it('joins the others while a sync is under way: they share the next', async () => {
    const medium = new Medium();
    const first = medium.syncs.wait();
    medium.last = lsn(2);
    const rest = Promise.all([medium.syncs.waitHere(), medium.syncs.waitHere()]);
    medium.end();
    await first;
    assert.equal(medium.syncs.durable, 1);
    medium.end();
    await rest;
    assert.deepEqual(medium.calls, ['elsewhere 1', 'elsewhere 2']);
  });

  it('is left to another thread after a sync that took long, or when there is more to it, until one is quick again', async () => {
    const medium = new Medium();
    medium.takes = 5;
    await medium.syncs.waitHere();
    medium.last = lsn(2);
    const slow = medium.syncs.waitHere();
    medium.end();
    await slow;
    medium.last = lsn(3);
    medium.refuses = true;
    const more = medium.syncs.waitHere();
    medium.end();
    await more;
    medium.last = lsn(4);
    medium.refuses = false;
    await medium.syncs.waitHere();
    assert.deepEqual(medium.calls, ['here 1', 'elsewhere 2', 'elsewhere 3', 'here 4']);
  });

  it('is never said again once a sync failed here', async () => {
    const medium = new Medium();
    medium.error = new Error('EIO');
    await assert.rejects(medium.syncs.waitHere(), /journal failed/);
    assert.equal(medium.syncs.durable, 0);
    assert.deepEqual(medium.calls, ['here 1']);
  });
});
