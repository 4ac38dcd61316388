/**
 * Where a reflink store keeps its clones: `.blockferry-snapshots-STORE/SNAPSHOT-ID/N.img` beside each image, N being the
 * volume's number in the snapshot. STORE tells the stores of groups apart whose images share a folder.
 */
import { dirname, join } from 'node:path';
import { errorCode } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { SnapshotVolume } from './snapshot-store.ts';

const SNAPSHOT_ID = /^[0-9a-f]{32}$/;
const PROBE = 'probe';

function storeFolders(volumes: readonly SnapshotVolume[], store: string): Set<string> {
  return new Set(volumes.map((volume) => storeFolder(volume, store)));
}

function storeFolder(volume: SnapshotVolume, store: string): string {
  return join(dirname(volume.path), `.blockferry-snapshots-${store}`);
}

export function cloneFolder(volume: SnapshotVolume, store: string, id: string): string {
  return join(storeFolder(volume, store), id);
}

/** Ids of all snapshots of which there is a clone beside any of the volumes, catalogued or not. */
export function cloneIds(files: Files, volumes: readonly SnapshotVolume[], store: string): Set<string> {
  const ids = new Set<string>();
  for (const folder of storeFolders(volumes, store)) {
    for (const name of listOrNothing(files, folder)) if (SNAPSHOT_ID.test(name)) ids.add(name);
  }
  return ids;
}

export function removeClones(
  files: Files,
  volumes: readonly SnapshotVolume[],
  store: string,
  id: string,
): void {
  for (const folder of storeFolders(volumes, store)) {
    if (!listOrNothing(files, folder).includes(id)) continue;
    files.removeTree(join(folder, id));
    files.syncDirectory(folder);
  }
}

/**
 * Whether every volume can be cloned beside itself, found out by doing it once and removing the clone. The volume itself
 * is tried and not a small file in its place: single files can be exempt (`chattr +C` on btrfs, DAX on XFS).
 * Only for a store without snapshots: where it cannot be done, the store's hidden folders are removed again.
 */
export function canClone(files: Files, volumes: readonly SnapshotVolume[], store: string): boolean {
  const possible = volumes.every((volume) => probe(files, volume, store));
  if (!possible) {
    for (const folder of storeFolders(volumes, store)) {
      if (files.stat(folder) !== undefined) files.removeTree(folder);
    }
  }
  return possible;
}

/** @throws the operating system's error where cloning may be possible but fails now: a full disk, a volume not there. */
function probe(files: Files, volume: SnapshotVolume, store: string): boolean {
  if (files.stat(volume.path)?.kind === 'block-device') return false;
  const folder = storeFolder(volume, store);
  const path = join(folder, PROBE);
  try {
    files.makeDirectory(folder);
    files.remove(path);
    const cloned = files.clone(volume.path, path);
    files.remove(path);
    return cloned;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error))) return false;
    throw error;
  }
}

function listOrNothing(files: Files, folder: string): string[] {
  return files.stat(folder)?.kind === 'directory' ? files.list(folder) : [];
}
