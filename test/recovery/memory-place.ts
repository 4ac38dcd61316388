import type { SnapshotVolume } from '../../src/recovery/snapshot-store.ts';
import { MemoryDisk } from './memory-disk.ts';
import type { SnapshotPlace } from './replica.ts';

export interface MemoryPlace extends SnapshotPlace {
  readonly disk: MemoryDisk;
}

export const STORE_FOLDER = '/snapshots';

/** Volumes of zeros on a disk in memory, whose power cuts keep what `keep` says. */
export function memoryPlace(
  sizes: readonly number[],
  options: { readonly clones?: boolean; readonly keep?: () => boolean } = {},
): MemoryPlace {
  const disk = new MemoryDisk({ clones: options.clones ?? false });
  disk.makeDirectory('/images');
  const volumes = sizes.map((size, number): SnapshotVolume => {
    const volume = { name: `volume${number}`, path: `/images/${number}.img`, size };
    const file = disk.open(volume.path, 'create');
    file.truncate(size);
    file.syncNow();
    return volume;
  });
  disk.syncDirectory('/images');
  const keep = options.keep ?? (() => false);
  return { disk, files: disk, folder: STORE_FOLDER, volumes, crash: () => disk.cutPower(keep) };
}
