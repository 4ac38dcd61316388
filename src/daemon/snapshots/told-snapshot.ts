import type { SnapshotEntry } from '../../api/contract/snapshots.ts';
import type { SnapshotFacts } from '../../destage/snapshots.ts';

/** As whoever asks for snapshots is told of it. */
export function toldSnapshot({ id, name, lsn, time, kind, apart }: SnapshotFacts): SnapshotEntry {
  return { id, name, lsn, time, kind, ...(apart === undefined ? {} : { apart }) };
}
