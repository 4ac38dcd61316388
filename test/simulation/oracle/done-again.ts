import type { Disk } from '../platform/disk.ts';
import { Kind, type ModelRecord } from './model.ts';

/** Whether what is not synced of the volume is what was there before, applied once more, or lies behind the checkpoint. */
export function isOnlyDoneAgain(
  disk: Disk,
  path: string,
  data: {
    readonly index: number;
    readonly records: readonly ModelRecord[];
    readonly later: readonly ModelRecord[];
  },
): boolean {
  const [content, medium] = [disk.find(path)?.content(), disk.findDurable(path)?.durableContent()];
  if (content === undefined || medium === undefined) return false;
  // What lies behind the checkpoint may make it larger, too.
  const grows = data.later.some(({ kind, volume }) => kind === Kind.resize && volume === data.index);
  if (medium.length !== content.length && !(grows && medium.length < content.length)) return false;
  const durable = Buffer.alloc(content.length);
  medium.copy(durable);
  // The volume may not be as large yet as what lies behind the checkpoint needs.
  for (const { kind, volume, offset, length } of data.later)
    if (volume === data.index && (kind === Kind.write || kind === Kind.zero) && offset < content.length)
      durable.copy(content, offset, offset, offset + length);
  return data.records.every(
    ({ volume, offset, length }) =>
      volume !== data.index ||
      (offset + length <= medium.length &&
        content.subarray(offset, offset + length).equals(durable.subarray(offset, offset + length))),
  );
}
