import assert from 'node:assert/strict';
import fc from 'fast-check';
import { backoff } from '../../src/transfer/backoff.ts';
import { Rate } from '../../src/transfer/rate.ts';

describe('back-off', () => {
  it('doubles from one second up to a minute, with jitter over the upper half', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 60].map((failures) => backoff(failures, true, 0)),
      [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
    );
    assert.equal(backoff(1, true, 0.5), 1500);
    assert.equal(backoff(60, true, 1), 60_000);
  });

  it('is the longest at once when nobody but an operator can help', () => {
    assert.equal(backoff(1, false, 0), 30_000);
    assert.equal(backoff(1, false, 1), 60_000);
  });

  it('is never shorter than a second nor longer than a minute', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1 }),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (...given) => {
          const pause = backoff(...given);
          assert.ok(pause >= 1000 && pause <= 60_000);
        },
      ),
    );
  });
});

describe('rate', () => {
  it('is nothing before the first byte and a minute after the last', () => {
    const rate = new Rate();
    assert.equal(rate.perSecond(5), 0);
    rate.add(1000, 500);
    assert.equal(rate.perSecond(2000), 500);
    assert.equal(rate.perSecond(61_000), 0);
  });

  it('is right within the first minute, and over the last one after it', () => {
    const rate = new Rate();
    for (let at = 0; at < 300_000; at += 100) {
      rate.add(at, 100);
      if (at > 5000) assert.ok(Math.abs(rate.perSecond(at) - 1000) < 200, `${rate.perSecond(at)} at ${at}`);
    }
  });
});
