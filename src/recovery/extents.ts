/** What of a snapshot is data and what reads as zeros, for hosts that ask before they read. */
import type { ExtentList } from '../nbd/front-end.ts';
import type { OpenFile } from '../platform/files.ts';
import type { ChunkFile } from './chunk-file.ts';
import type { ChangedRanges } from './snapshot-store.ts';
import { CHUNK_SIZE, GRANULE_SIZE, GRANULES_PER_CHUNK, spansOf } from './granules.ts';

/** Chunks that one answer tells of at most: 4 GiB. */
const CHUNKS_MAX = 65_536;

/** `live`: as the volume itself; the others are kept. */
const GranuleState = { live: 0, zeros: 1, data: 2 } as const;

/** Adds [start, end) of a file; false when the list is full. */
export function addFileExtents(file: OpenFile, start: number, end: number, list: ExtentList): boolean {
  let at = start;
  while (at < end) {
    const data = file.nextData(at);
    const dataStart = Math.min(end, data?.start ?? end);
    if (dataStart > at && !list.add(dataStart - at, 'hole')) return false;
    const dataEnd = Math.min(end, data?.end ?? end);
    if (dataEnd > dataStart && !list.add(dataEnd - dataStart, 'data')) return false;
    at = dataEnd;
  }
  return true;
}

interface KeptView {
  readonly volume: string;
  readonly chunkFiles: Iterable<ChunkFile>;
}

/** Of every granule, from that on in which `start` lies to that in which the range ends: a volume may end within a chunk. */
function statesOf({ volume, chunkFiles }: KeptView, start: number, end: number): Uint8Array {
  const first = Math.floor(start / CHUNK_SIZE);
  const count = Math.min(CHUNKS_MAX, Math.ceil(end / CHUNK_SIZE) - first);
  const states = new Uint8Array(count * GRANULES_PER_CHUNK);
  for (const chunkFile of chunkFiles) {
    const { index } = chunkFile;
    const number = chunkFile.volumeNumber(volume);
    if (number === undefined || chunkFile.damage !== undefined) {
      states.forEach((state, i) => (states[i] = state === GranuleState.live ? GranuleState.data : state));
      break;
    }
    index.visit({ volume: number, first, count }, (chunk, { granules, isZeros }) => {
      const at = (chunk - first) * GRANULES_PER_CHUNK;
      for (const span of spansOf(granules)) {
        for (let i = at + span.start / GRANULE_SIZE; i < at + span.end / GRANULE_SIZE; i += 1) {
          if (states[i] === GranuleState.live) states[i] = isZeros ? GranuleState.zeros : GranuleState.data;
        }
      }
    });
  }
  const before = first * GRANULES_PER_CHUNK;
  return states.subarray(Math.floor(start / GRANULE_SIZE) - before, Math.ceil(end / GRANULE_SIZE) - before);
}

/** Where something was kept: elsewhere the volume is what it was. At most 4 GiB from the start on, a whole number of granules. */
export function keptRanges(view: KeptView, start: number, end: number): ChangedRanges {
  const first = Math.floor(start / GRANULE_SIZE);
  const states = statesOf(view, start, end);
  const ranges: { start: number; end: number }[] = [];
  for (let from = 0; from < states.length;) {
    const isLive = states[from] === GranuleState.live;
    let to = from + 1;
    while (to < states.length && (states[to] === GranuleState.live) === isLive) to += 1;
    const range = {
      start: Math.max(start, (first + from) * GRANULE_SIZE),
      end: Math.min(end, (first + to) * GRANULE_SIZE),
    };
    if (!isLive) ranges.push(range);
    from = to;
  }
  return { ranges, end: Math.min(end, (first + states.length) * GRANULE_SIZE) };
}

/**
 * The same of a volume with chunk files in front of it, the first of them counting; at most 4 GiB. What may have been lost
 * counts as data: to read it tells. The cost grows with what is kept, not with the range.
 */
export function addKeptExtents(
  view: KeptView & { readonly live: OpenFile },
  start: number,
  end: number,
  list: ExtentList,
): void {
  const first = Math.floor(start / GRANULE_SIZE);
  const states = statesOf(view, start, end);
  const count = states.length;
  for (let from = 0; from < count;) {
    const state = states[from] ?? GranuleState.live;
    let to = from + 1;
    while (to < count && states[to] === state) to += 1;
    const runStart = Math.max(start, (first + from) * GRANULE_SIZE);
    const runEnd = Math.min(end, (first + to) * GRANULE_SIZE);
    from = to;
    const taken =
      state === GranuleState.live
        ? addFileExtents(view.live, runStart, runEnd, list)
        : list.add(runEnd - runStart, state === GranuleState.zeros ? 'hole' : 'data');
    if (!taken) return;
  }
}
