import assert from 'node:assert/strict';
import {
  firstDue,
  intervalDecision,
  type IntervalFacts,
} from '../../../src/daemon/source/interval-decision.ts';
import { lsn } from '../../../src/journal/ids.ts';

describe('what a source does when its interval is over', () => {
  const decide = (facts: Partial<IntervalFacts>): string =>
    intervalDecision({
      now: 100,
      dueAt: 100,
      isIdle: true,
      isChanged: true,
      isConsistent: true,
      ended: lsn(50),
      applied: lsn(50),
      ...facts,
    });

  it('is to cut a point, once the delta before is applied by every destination', () => {
    assert.equal(decide({}), 'cut');
    assert.equal(decide({ now: 99 }), 'wait');
    assert.equal(decide({ applied: undefined }), 'cut');
    assert.equal(decide({ applied: lsn(49) }), 'skip');
    assert.equal(decide({ isIdle: false }), 'skip');
  });

  it('is nothing where nothing changed, and to begin anew after a delta that was given up', () => {
    assert.equal(decide({ isChanged: false }), 'pass');
    assert.equal(decide({ isConsistent: false, applied: lsn(0) }), 'cut');
  });

  it('comes after a start as if there had been none, whatever the clock says', () => {
    assert.equal(firstDue({ every: 100, now: 1030, before: 1000 }), 70);
    assert.equal(firstDue({ every: 100, now: 9000, before: 1000 }), 0);
    assert.equal(firstDue({ every: 100, now: 5, before: 1000 }), 100);
  });
});
