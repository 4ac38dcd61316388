import assert from 'node:assert/strict';
import { MEDIUM_CHANGES_MAX, type MediumChange } from '../../../src/capture/medium-changes.ts';
import { maySend, sideOf, Sides, type Evidence } from '../../../src/daemon/comparing/sides.ts';
import { lsn, type VolumeIndex } from '../../../src/journal/ids.ts';

const RANGE = { volume: 0 as VolumeIndex, offset: 1024, length: 1024, lsn: lsn(50) };
const change = (offset: number, volume = 0): MediumChange => ({
  ...RANGE,
  volume: volume as VolumeIndex,
  offset,
  knownLsn: lsn(10),
  digest: '00'.repeat(16),
});
const EVIDENCE: Evidence = {
  changes: [change(2048), change(1024, 1)],
  known: { first: lsn(20), newest: lsn(50) },
  comparedUpTo: 40,
};
const side = (evidence: Partial<Evidence>): string => sideOf(RANGE, { ...EVIDENCE, ...evidence });

describe('whose disk changed', () => {
  it('is the destination’s where it held the same before, and the source still holds that', () => {
    assert.equal(side({}), 'destination');
  });

  it('is the source’s where that holds what no host wrote', () => {
    assert.equal(side({ changes: [change(2047)] }), 'source');
  });

  it('is not known where the source’s was written since, was not looked at, or the destination did not compare before', () => {
    assert.equal(side({ known: undefined }), 'unknown');
    assert.equal(side({ known: { first: lsn(41), newest: lsn(50) } }), 'unknown');
    assert.equal(side({ known: { first: lsn(20), newest: lsn(49) } }), 'unknown');
    assert.equal(side({ comparedUpTo: undefined }), 'unknown');
    assert.equal(side({ comparedUpTo: 50 }), 'unknown', 'it may have differed in that very comparison');
  });

  it('keeps what a source has lost from being sent, and everything when it has lost more than is remembered', () => {
    assert.equal(maySend(RANGE, EVIDENCE.changes), true);
    assert.equal(maySend(RANGE, [change(0), change(1500)]), false);
    const many = Array.from({ length: MEDIUM_CHANGES_MAX }, (_, i) => change(1_000_000 + i * 1024));
    assert.equal(maySend(RANGE, many), false);
  });

  it('is asked for once, and not before the source has looked at the same record', async () => {
    const sides = new Sides();
    const differing = [{ name: 'second', ranges: [RANGE] }];
    const looked = { changes: [], known: () => Promise.resolve(undefined), comparedUpTo: () => undefined };
    const find = (applied: number): ReturnType<Sides['find']> =>
      sides.find(differing, { ...looked, applied: lsn(applied) });
    assert.deepEqual(await find(49), []);
    assert.equal(sides.has('second', RANGE), false);
    assert.deepEqual(await find(50), [{ name: 'second', range: RANGE, side: 'unknown' }]);
    assert.deepEqual(await find(51), []);
    assert.deepEqual(sides.list('second', [], 51), []);
    assert.equal(sides.list('second', [], 50).length, 1);
    sides.keep([{ name: 'second', ranges: [] }]);
    assert.equal(sides.has('second', RANGE), false);
  });
});
