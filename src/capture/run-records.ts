import type { Lsn, VolumeIndex } from '../journal/ids.ts';
import { lsn } from '../journal/ids.ts';
import { encodeRecordInPlace, RecordKind } from '../journal/record.ts';
import { WRITE_HEADROOM, type WriteRun } from '../nbd/front-end.ts';

/** Makes a run of writes, where it lies, into records that follow each other from LSN `first` on. Returns its bytes. */
export function encodeRun(
  run: WriteRun,
  record: {
    readonly first: Lsn;
    readonly volume: VolumeIndex;
    readonly flags: number;
    readonly seed: number;
  },
): Buffer {
  const { volume, flags, seed } = record;
  let at = run.start;
  for (let i = 0; i < run.count; i += 1) {
    const [offset, length] = [run.offsets[i] ?? 0, run.lengths[i] ?? 0];
    const header = { kind: RecordKind.write, flags, volume, lsn: lsn(record.first + i), offset, length };
    encodeRecordInPlace(run.buffer, at, header, seed);
    at += WRITE_HEADROOM + length;
  }
  return run.buffer.subarray(run.start, at);
}
