import type { SnapshotStore, SnapshotVolume } from '../../../src/recovery/snapshot-store.ts';

/** What each of the volumes was at a snapshot. */
export function contentOf(store: SnapshotStore, id: string, volumes: readonly SnapshotVolume[]): Buffer[] {
  return volumes.map(({ name }) => {
    const reader = store.open(id, name);
    const content = Buffer.alloc(reader.size);
    reader.read(0, content);
    reader.close();
    return content;
  });
}
