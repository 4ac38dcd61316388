import type { SnapshotStore } from './snapshot-store.ts';

/**
 * Bytes of the volumes that may be something else by now than at a snapshot, of what was written to them by now. Undefined where
 * its store does not know. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED`
 */
export function changedBytes(
  store: Pick<SnapshotStore, 'volumesOf' | 'open'>,
  id: string,
): number | undefined {
  let bytes = 0;
  for (const volume of store.volumesOf(id)) {
    const reader = store.open(id, volume);
    try {
      for (let at = 0; at < reader.size;) {
        const changed = reader.changed?.(at);
        if (changed === undefined) return undefined;
        for (const { start, end } of changed.ranges) bytes += end - start;
        at = changed.end;
      }
    } finally {
      reader.close();
    }
  }
  return bytes;
}
