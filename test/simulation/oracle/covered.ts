import { parseSealedName, type SegmentRange } from '../../../src/journal/names.ts';
import type { Disk } from '../platform/disk.ts';

/** Whether other segments in the folder, durable there and not removed, hold every record of this one: it was coalesced. */
export function isCovered(disk: Disk, folder: string, range: SegmentRange): boolean {
  const others = disk
    .listDurable(folder)
    .filter((name) => {
      const inode = disk.findDurable(`${folder}/${name}`);
      return inode?.isSynced === true && disk.find(`${folder}/${name}`) === inode;
    })
    .flatMap((name) => parseSealedName(name) ?? [])
    .filter(
      ({ epoch, first, last }) => epoch === range.epoch && (first !== range.first || last !== range.last),
    )
    .sort((a, b) => a.first - b.first);
  let reached = range.first - 1;
  for (const { first, last } of others) if (first <= reached + 1) reached = Math.max(reached, last);
  return reached >= range.last;
}
