import assert from 'node:assert/strict';
import { verifyingWait } from '../../../src/daemon/comparing/verification-status.ts';

const GIB = 1024 ** 3;
const reading = { state: 'reading', doneBytes: 3 * GIB, totalBytes: 4 * GIB } as const;

describe('a comparison under way', () => {
  it('says how far it is, and when it ends at the rate that it has had since it went on', () => {
    const current = { beganAt: 10_000, progress: { bytes: 2 * GIB } };
    assert.deepEqual(verifyingWait(reading, current, 14_000), {
      message: 'volumes are compared with the destinations’: 3.0 GiB of 4.0 GiB',
      endsAt: 16_000,
    });
    assert.equal(verifyingWait(reading, { ...current, progress: { bytes: 0 } }, 14_000)?.endsAt, undefined);
    assert.equal(verifyingWait(reading, current, 9000)?.endsAt, undefined, 'the clock was put back');
  });

  it('says whom it waits for when all is read, and nothing when it is over', () => {
    const wait = verifyingWait({ state: 'comparing', waitsFor: ['bern', 'genf'] }, undefined, 0);
    assert.deepEqual(wait, { message: 'all is read; waits until it is compared at bern and genf' });
    assert.equal(verifyingWait(undefined, undefined, 0), undefined);
  });
});
