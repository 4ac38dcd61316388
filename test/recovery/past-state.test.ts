import assert from 'node:assert/strict';
import { epoch, lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { decodeRecord, encodeRecord, RecordKind } from '../../src/journal/record.ts';
import type { SegmentReader } from '../../src/journal/segment/segment.ts';
import { PastState } from '../../src/recovery/past-state.ts';

const PIECE = 4096;
const SEED = 7;
const VOLUME = { index: 0 as VolumeIndex, name: 'a', size: 8 * PIECE };

/** A frame of one write of a piece that is filled with its LSN. */
function frame(at: number): Buffer {
  const header = { kind: RecordKind.write, flags: 0, volume: VOLUME.index, lsn: lsn(at), offset: at * PIECE };
  return encodeRecord(header, Buffer.alloc(PIECE, at), SEED);
}

/** What a segment of such frames is read as. */
function reader(first: number, frames: readonly Buffer[]): SegmentReader {
  const header = {
    first: lsn(first),
    last: lsn(first + frames.length - 1),
    digestBefore: '',
    digestAfter: '',
  };
  const times = { firstTime: 0, lastTime: 0, overwrittenDropped: false };
  const part: Pick<SegmentReader, 'frames' | 'plain' | 'close'> = {
    *frames() {
      for (const plain of frames) yield [decodeRecord(plain, 0, SEED) ?? assert.fail()];
    },
    plain: (number) => frames[number] ?? assert.fail(`no frame ${number}`),
    close: () => undefined,
  };
  return { ...part, header: { ...header, ...times } } as unknown as SegmentReader;
}

describe('a state between two snapshots', () => {
  it('reads each piece from its own frame of its own segment', () => {
    const segments = new Map([
      ['one', reader(1, [1, 2, 3].map(frame))],
      ['two', reader(4, [4, 5].map(frame))],
    ]);
    const openSegment = (path: string): SegmentReader => segments.get(path) ?? assert.fail(path);
    const end = { kind: 'lsn', lsn: 5 } as const;
    const state = new PastState({ lsn: lsn(0), time: 0 }, end, { openSegment, volumes: [VOLUME] });
    for (const [path, { header }] of segments) {
      const { first, last } = header;
      state.add({ path, range: { epoch: epoch(1), first, last } });
    }
    const base = { size: VOLUME.size, read: (_: number, into: Buffer) => void into.fill(0xff) };
    const volume = state.over({ ...base, extents: () => undefined, close: () => undefined }, 'a');
    const content = Buffer.alloc(VOLUME.size);
    volume.read(0, content);
    const expected = [0xff, 1, 2, 3, 4, 5, 0xff, 0xff].map((fill) => Buffer.alloc(PIECE, fill));
    assert.ok(content.equals(Buffer.concat(expected)));
  });
});
