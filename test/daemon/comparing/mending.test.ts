import assert from 'node:assert/strict';
import { Mending, type Answer } from '../../../src/daemon/comparing/mending.ts';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';

const RANGE = { volume: 0 as VolumeIndex, offset: 4096, length: 512 };
const says = (applied: number, found?: number): Answer[] => [
  { applied: lsn(applied), differing: found === undefined ? [] : [{ ...RANGE, lsn: lsn(found) }] },
];

describe('mending a replica', () => {
  it('sends a range once, however often its destination names it before it can know better', () => {
    const mending = new Mending();
    assert.deepEqual(mending.next(says(10, 8)), [RANGE]);
    assert.deepEqual(mending.next(says(11, 8)), []);
    mending.sent(RANGE, lsn(20));
    assert.deepEqual(mending.next(says(19, 8)), []);
    assert.deepEqual(mending.next(says(20)), []);
    assert.deepEqual(mending.next(says(30, 28)), [RANGE], 'it differs anew');
  });

  it('sends a range that two destinations name once', () => {
    assert.deepEqual(new Mending().next([...says(10, 8), ...says(9, 8)]), [RANGE]);
  });

  it('gives a range up that differs however often it is sent, and says so', () => {
    const mending = new Mending();
    let sent = 0;
    for (let at = 10; at < 100; at += 10) {
      sent += mending.next(says(at, at - 1)).length;
      mending.sent(RANGE, lsn(at + 5));
    }
    assert.equal(sent, 3);
    assert.equal(mending.hopeless, 1);
    assert.deepEqual(mending.next(says(200)), []);
    assert.equal(mending.hopeless, 0);
  });
});
