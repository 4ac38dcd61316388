import assert from 'node:assert/strict';
import { Inbox, NAMES_MAX } from '../../src/destage/inbox.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';
import { sealedName } from '../../src/journal/names.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';

const name = (first: number, last = first): string =>
  sealedName({ epoch: epoch(1), first: lsn(first), last: lsn(last) });

/** An inbox whose folder holds these names, ten bytes each. */
function inboxOf(names: Set<string>): Inbox {
  const files = {
    ...nodePlatform.files,
    list: () => [...names],
    stat: () => ({ kind: 'file' as const, size: 10, modifiedAt: 0, identity: '' }),
  };
  return new Inbox({ ...nodePlatform, files }, '/inbox');
}

describe('the inbox', () => {
  it('holds a limited number of names, with what is next among them, however many others there are', () => {
    const flood = Array.from({ length: NAMES_MAX + 5 }, (_, i) => name(10 + 2 * i));
    const names = new Set([...flood, name(1)]);
    const inbox = inboxOf(names);
    inbox.look({ received: lsn(0), epoch: epoch(1) });
    assert.deepEqual([inbox.waiting, inbox.crowd], [NAMES_MAX, NAMES_MAX + 6]);
    assert.equal(inbox.missing.length, 1000);
    const step = inbox.step(lsn(0));
    assert.ok(step?.kind === 'receive' && step.entry.name === name(1));
    inbox.taken(step.entry);
    assert.equal(inbox.step(lsn(1)), undefined);
    names.clear();
    names.add(name(2, 9));
    inbox.look({ received: lsn(1), epoch: epoch(1) });
    assert.deepEqual([inbox.waiting, inbox.crowd, inbox.bytes], [1, undefined, 10]);
  });

  it('gives what can be received together: one right behind the other, no more than are wanted (I3)', () => {
    const inbox = inboxOf(new Set([name(1), name(2, 4), name(5), name(7)]));
    inbox.look({ received: lsn(0), epoch: epoch(1) });
    const run = (most: number): string[] => inbox.run(lsn(0), most).map((entry) => entry.name);
    assert.deepEqual(run(4), [name(1), name(2, 4), name(5)]);
    assert.deepEqual(run(2), [name(1), name(2, 4)]);
    inbox.taken(inbox.step(lsn(0))!.entry);
    assert.deepEqual(inbox.run(lsn(0), 4), []);
    assert.equal(inbox.run(lsn(1), 4).length, 2);
  });

  it('counts the bytes of what lies there: segments once, what is still arriving as it grows', () => {
    const names = new Set([name(1), `${name(2)}.part`, 'readme.txt']);
    const inbox = inboxOf(names);
    inbox.look({ received: lsn(0), epoch: undefined });
    assert.equal(inbox.bytes, 30);
    inbox.taken(inbox.step(lsn(0))!.entry);
    assert.equal(inbox.bytes, 20);
    names.delete(name(1));
    names.delete('readme.txt');
    inbox.look({ received: lsn(1), epoch: epoch(1) });
    assert.equal(inbox.bytes, 10);
  });

  it('gives up the last quarter of what waits behind a hole', () => {
    const inbox = inboxOf(new Set([5, 6, 7, 8, 9].map((first) => name(first))));
    inbox.look({ received: lsn(0), epoch: epoch(1) });
    assert.deepEqual(
      inbox.giveUp().map((entry) => entry.name),
      [name(8), name(9)],
    );
    assert.deepEqual([inbox.waiting, inbox.bytes], [3, 30]);
  });
});
