import assert from 'node:assert/strict';
import { bufferDecision, type BufferFacts } from '../../../src/daemon/buffer/buffer-policy.ts';

describe('what a source does about its buffer', () => {
  const decide = (facts: Partial<BufferFacts>): string =>
    bufferDecision({
      state: 'open',
      used: 0,
      unsealed: 0,
      free: 1000,
      quota: 100,
      segmentBytesMax: 10,
      whenFull: 'change-map',
      ...facts,
    });

  it('is what was chosen once the segments under way might not fit into the quota', () => {
    assert.equal(decide({ used: 80 }), 'open');
    assert.equal(decide({ used: 81 }), 'change-map');
    assert.equal(decide({ used: 81, whenFull: 'refuse-writes' }), 'refusing');
  });

  it('counts what is still to be sealed where nothing is marked in its place', () => {
    assert.equal(decide({ used: 50, unsealed: 30, whenFull: 'refuse-writes' }), 'open');
    assert.equal(decide({ used: 50, unsealed: 31, whenFull: 'refuse-writes' }), 'refusing');
    assert.equal(decide({ used: 50, unsealed: 31 }), 'open');
  });

  it('is taken back with room to spare, so that it is not taken back again at once', () => {
    assert.equal(decide({ state: 'refusing', used: 80 }), 'refusing');
    assert.equal(decide({ state: 'refusing', used: 79 }), 'open');
    assert.equal(decide({ state: 'change-map', used: 50 }), 'change-map');
    assert.equal(decide({ state: 'change-map', used: 49 }), 'open');
  });

  it('is no full copy onto a disk that has no room for its segments', () => {
    assert.equal(decide({ state: 'change-map', free: 19 }), 'change-map');
    assert.equal(decide({ state: 'change-map', free: 20 }), 'open');
  });
});
