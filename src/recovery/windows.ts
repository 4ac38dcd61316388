/** Between which records a side can go back to any state. Pure. */
import type { Lsn } from '../journal/ids.ts';
import type { SegmentHeader } from '../journal/segment/segment.ts';

export interface Place {
  readonly lsn: Lsn;
  /** The source's clock, milliseconds since 1970. */
  readonly time: number;
}

export interface PastWindow {
  readonly from: Place;
  readonly to: Place;
  /** Every record is a state; otherwise only the ends of replication files are, between which data was left out. */
  readonly every: boolean;
}

/** What leads on from a snapshot without a hole: neighbours differ in `every`. */
export function windowsBehind(
  start: Place,
  segments: Iterable<Pick<SegmentHeader, 'last' | 'lastTime' | 'overwrittenDropped'>>,
): PastWindow[] {
  const windows: PastWindow[] = [];
  let from = start;
  for (const { last, lastTime, overwrittenDropped } of segments) {
    const to = { lsn: last, time: lastTime };
    const newest = windows.at(-1);
    if (newest?.every === !overwrittenDropped) windows.splice(-1, 1, { ...newest, to });
    else windows.push({ from, to, every: !overwrittenDropped });
    from = to;
  }
  return windows;
}

/** Of markers, which are the ends of replication files, those whose states can be gone back to and are no snapshot. */
export function inReach<T extends { readonly id: string; readonly lsn: number }>(
  markers: readonly T[],
  snapshots: readonly { readonly id: string }[],
  windows: readonly PastWindow[],
): T[] {
  const ids = new Set(snapshots.map(({ id }) => id));
  return markers.filter(
    ({ id, lsn }) => !ids.has(id) && windows.some(({ from, to }) => from.lsn <= lsn && lsn <= to.lsn),
  );
}
