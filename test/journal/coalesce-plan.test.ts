import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  BACKLOG_AGE,
  planCoalescing,
  type BacklogSegment,
  type SegmentEnd,
} from '../../src/journal/coalesce-plan.ts';
import { epoch, lsn } from '../../src/journal/ids.ts';

const BYTES_MAX = 1000;

function segment(first: number, last: number, facts: Partial<BacklogSegment> = {}): BacklogSegment {
  const range = { epoch: epoch(1), first: lsn(first), last: lsn(last) };
  return { name: `${first}-${last}`, range, bytes: 10, end: 'data', sealedAt: 0, ...facts };
}

function plan(
  segments: readonly BacklogSegment[],
  tried: ReadonlyMap<string, number> = new Map(),
  now = BACKLOG_AGE,
): string[] | undefined {
  return planCoalescing({ now, segments, tried, bytesMax: BYTES_MAX })?.map(({ name }) => name);
}

/** One record each, `spec` a letter each: data, marker or control. */
function backlog(spec: string, bytes = 10): BacklogSegment[] {
  const ends: Record<string, SegmentEnd> = { d: 'data', m: 'marker', c: 'control' };
  return Array.from(spec, (letter, i) => segment(i + 1, i + 1, { end: ends[letter]!, bytes }));
}

const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}-${from + i}`);

describe('what of a backlog is merged', () => {
  it('waits until several segments have waited for a while', () => {
    assert.equal(plan(backlog('ddd')), undefined);
    assert.equal(plan(backlog('dddd'), undefined, BACKLOG_AGE - 1), undefined);
    assert.deepEqual(plan(backlog('dddd')), range(1, 4));
    const young = backlog('dddddd').map((item, i) => (i === 5 ? { ...item, sealedAt: 1 } : item));
    assert.deepEqual(plan(young), range(1, 5));
  });

  it('never merges across a marker, an attach, a full copy’s begin or end, another epoch or a gap', () => {
    assert.deepEqual(plan(backlog('ddmddd')), range(1, 3));
    assert.deepEqual(plan(backlog('mddddd')), range(2, 6));
    assert.deepEqual(plan(backlog('ddcdd')), range(1, 2));
    assert.deepEqual(plan(backlog('cddd')), undefined);
    assert.deepEqual(plan([segment(1, 1), segment(2, 2), segment(4, 4), segment(5, 5)]), range(1, 2));
    const later = segment(3, 3, { range: { epoch: epoch(2), first: lsn(3), last: lsn(3) } });
    assert.deepEqual(plan([segment(1, 1), segment(2, 2), later]), range(1, 2));
  });

  it('keeps to the size of a merged segment, and goes on behind one that is full', () => {
    assert.deepEqual(plan(backlog('ddddd', 400)), range(1, 2));
    const full = segment(1, 9, { bytes: 990 });
    assert.deepEqual(plan([full, segment(10, 10, { bytes: 20 }), segment(11, 11, { bytes: 20 })]), undefined);
    const behind = [10, 11, 12, 13].map((at) => segment(at, at, { bytes: 20 }));
    assert.deepEqual(plan([full, ...behind]), range(10, 13));
  });

  it('looks again at what gave nothing only when it has doubled', () => {
    const tried = new Map([['1-1', 40]]);
    assert.equal(plan(backlog('ddddddd'), tried), undefined);
    assert.deepEqual(plan(backlog('dddddddd'), tried), range(1, 8));
  });

  it('reads a hot region again only when a sixteenth was added to it', () => {
    const base = segment(1, 9, { bytes: 320 });
    assert.equal(plan([base, ...[10, 11, 12].map((at) => segment(at, at, { bytes: 6 }))]), undefined);
    assert.notEqual(plan([base, ...[10, 11, 12].map((at) => segment(at, at, { bytes: 7 }))]), undefined);
  });

  it('reads each byte a bounded number of times, and keeps a hot region little more than once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 60 }), fc.integer({ min: 1, max: 30 }), (count, distinct) => {
        let segments: BacklogSegment[] = [];
        let read = 0;
        for (let at = 1; at <= 10 * count; at += 1) {
          segments.push(segment(at, at, { bytes: 10 }));
          for (;;) {
            const facts = { now: BACKLOG_AGE, segments, tried: new Map<string, number>(), bytesMax: 1e6 };
            const run = planCoalescing(facts);
            if (run === undefined) break;
            const bytes = run.reduce((sum, item) => sum + item.bytes, 0);
            read += bytes;
            const merged = segment(run[0]!.range.first, run.at(-1)!.range.last, {
              bytes: Math.min(bytes, distinct * 10),
            });
            segments = segments.flatMap((item) =>
              item === run[0] ? [merged] : run.includes(item) ? [] : [item],
            );
          }
        }
        const left = segments.reduce((sum, item) => sum + item.bytes, 0);
        assert.ok(left <= Math.max(40 + distinct * 10, distinct * 10 * (1 + 1 / 16) + 10), `${left} left`);
        assert.ok(read <= 100 * count * (17 + 1), `${read} read`);
      }),
    );
  });
});
