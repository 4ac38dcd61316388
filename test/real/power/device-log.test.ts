import assert from 'node:assert/strict';
import { seededRandom } from '../../support/random.ts';
import { choosePoints, highest, Medium, notesBefore, type Kept, type LogEntry } from './device-log.ts';

const SIZE = 256 * 1024;
const SECTOR = 512;

const write = (offset: number, fill: number, length = SECTOR): LogEntry => ({
  kind: 'write',
  offset,
  data: new Uint8Array(length).fill(fill),
});
const flush: LogEntry = { kind: 'flush' };

describe('what lies on a device after a power failure', () => {
  function contentAt(log: readonly LogEntry[], point: number, kept: Kept, seed = 'one'): Buffer {
    let seen = Buffer.alloc(0);
    new Medium(log, SIZE).at(
      point,
      kept,
      seededRandom(seed),
      (content) => void (seen = Buffer.from(content)),
    );
    return seen;
  }

  it('is every write before the point, in order, when all are kept', () => {
    const log = [
      write(0, 1, 1024),
      write(512, 2),
      { kind: 'zero', offset: 0, length: 512 } as const,
      write(0, 3),
    ];
    const seen = [1, 2, 3, 4].map((point) => contentAt(log, point, 'all')).map((c) => [c[0], c[512]]);
    assert.deepEqual(seen, [
      [1, 1],
      [1, 2],
      [0, 2],
      [3, 2],
    ]);
  });

  it('is surely what was flushed, and any of what was not', () => {
    const log = [write(0, 1), flush, write(512, 2), write(1024, 3), write(1536, 4)];
    const seen = new Set<string>();
    for (let i = 0; i < 100; i += 1) {
      const content = contentAt(log, log.length, 'some', String(i));
      assert.equal(content[0], 1);
      seen.add([content[512], content[1024], content[1536]].join());
    }
    assert.deepEqual([...seen].sort(), [
      '0,0,0',
      '0,0,4',
      '0,3,0',
      '0,3,4',
      '2,0,0',
      '2,0,4',
      '2,3,0',
      '2,3,4',
    ]);
  });

  it('has the last write torn between sectors', () => {
    const sectors = new Set<string>();
    for (let i = 0; i < 100; i += 1) {
      const content = contentAt([write(0, 1, 1024)], 1, 'some', String(i));
      for (const at of [0, 512]) assert.equal(content[at], content[at + 511]);
      sectors.add(`${content[0] ?? 0}${content[512] ?? 0}`);
    }
    assert.deepEqual([...sectors].sort(), ['00', '01', '10', '11']);
  });

  it('is the same at a later point whether an earlier one was looked at or not', () => {
    const log = [write(0, 1), write(70_000, 2), flush, write(0, 3), write(70_000, 4), flush, write(0, 5)];
    const medium = new Medium(log, SIZE);
    for (let point = 0; point < log.length; point += 1) {
      medium.at(point, 'some', seededRandom(String(point)), () => undefined);
    }
    medium.at(log.length, 'all', seededRandom(''), (content, pages) => {
      assert.ok(content.equals(contentAt(log, log.length, 'all')));
      assert.deepEqual([...pages], [0, 1]);
    });
  });

  it('comes with what was known then, and points lie behind the start', () => {
    const log: LogEntry[] = [
      flush,
      { kind: 'note', note: { kind: 'ready' } },
      { kind: 'note', note: { kind: 'told', lsn: 5 } },
      flush,
      { kind: 'note', note: { kind: 'told', lsn: 9 } },
    ];
    assert.equal(highest(notesBefore(log, 4), 'told'), 5);
    assert.equal(highest(notesBefore(log, 5), 'told'), 9);
    assert.equal(highest(notesBefore(log, 5), 'heard'), 0);
    const points = choosePoints(log, 50, seededRandom('points'));
    assert.ok(points.every((point, i) => point >= Math.max(2, points[i - 1] ?? 0) && point <= log.length));
  });
});
