import assert from 'node:assert/strict';
import { LinkTroubles } from '../../src/transfer/link-troubles.ts';
import { seededRandom } from '../support/random.ts';
import { SimulatedClock } from './simulated-clock.ts';

describe('link troubles', () => {
  const clock = new SimulatedClock();
  const troubles = new LinkTroubles({ clock, random: seededRandom('troubles') });

  it('hold until the last of them has rested, and name that time', async () => {
    assert.equal(troubles.heldUntil(), Number.NEGATIVE_INFINITY);
    assert.equal(troubles.failed('a', { code: 'link-auth', message: 'no', retryable: false }), true);
    assert.equal(troubles.failed('b', { code: 'link-down', message: 'cut', retryable: true }), true);
    assert.equal(troubles.failed('c', { code: 'link-down', message: 'cut', retryable: true }), false);
    assert.equal(troubles.heldUntil(), troubles.heldUntil('a'));
    assert.ok(troubles.heldUntil('a') >= 30_000 && troubles.heldUntil('b') <= 2000);
    const [auth, down] = troubles.waits();
    assert.equal(auth?.nextTryAt, clock.now() + Math.round(troubles.heldUntil('a')));
    assert.equal(
      down?.nextTryAt,
      clock.now() + Math.round(Math.max(troubles.heldUntil('b'), troubles.heldUntil('c'))),
    );
    await clock.pass(2000);
    assert.equal('nextTryAt' in troubles.waits()[1]!, false, 'it is being tried');
  });

  it('end when what failed works, or is not tried any more', () => {
    troubles.worked('a');
    troubles.keepOnly((key) => key === 'c');
    assert.deepEqual(
      [troubles.has('a'), troubles.has('b'), troubles.has('c'), troubles.size],
      [false, false, true, 1],
    );
  });
});
