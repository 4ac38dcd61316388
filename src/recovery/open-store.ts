/**
 * Which of the two kinds of store a group gets. Reflink, where each volume's file system shares blocks: the clones are
 * kept in a hidden folder beside each image, because they must be on its file system. Copy-on-write elsewhere and for
 * block devices. A store with snapshots keeps its kind; one without is asked again at every opening.
 */
import { join } from 'node:path';
import { VOLUMES_PER_GROUP_MAX } from '../journal/ids.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { Catalogue, CATALOGUE_FILE } from './catalogue.ts';
import { chunkFileIds, holdsChunks, removeChunkFile } from './chunk-file.ts';
import { CopyOnWriteStore } from './copy-on-write-store.ts';
import { canClone, cloneIds, removeClones } from './clone-folders.ts';
import { ReflinkStore } from './reflink-store.ts';
import type { SnapshotStore, SnapshotVolume } from './snapshot-store.ts';

export interface SnapshotStoreOptions {
  /** The store's own: holds the catalogue, and of a copy-on-write store everything. Made when missing. */
  readonly folder: string;
  readonly volumes: readonly SnapshotVolume[];
}

/**
 * Opens a group's snapshots, or begins to keep them, and removes what an interrupted `create` left behind.
 * @throws OperatorError `SNAPSHOT_CATALOGUE_DAMAGED`, `SNAPSHOT_CATALOGUE_MISSING`, `SNAPSHOT_CATALOGUE_STALE`
 */
export function openSnapshotStore(files: Files, log: Log, options: SnapshotStoreOptions): SnapshotStore {
  const { folder, volumes } = options;
  assert(volumes.length <= VOLUMES_PER_GROUP_MAX, 'a group has at most 64 volumes');
  assert(new Set(volumes.map((volume) => volume.name)).size === volumes.length, 'volume names differ');
  files.makeDirectory(folder);
  // Who wrote the catalogue may have died before its name was durable: nothing is kept for what is in it before it is.
  files.syncDirectory(folder);
  let catalogue = Catalogue.read(files, folder);
  if (catalogue === undefined) {
    catalogue = Catalogue.empty(files, folder);
    refuseOrphans(files, options, catalogue.store);
  }
  removeLeftovers(files, log, options, catalogue);
  if (catalogue.entries.length === 0) {
    catalogue.decide(canClone(files, volumes, catalogue.store) ? 'reflink' : 'copy-on-write');
    log.info(`snapshots are kept by ${catalogue.kind}`, { folder });
  }
  return catalogue.kind === 'reflink'
    ? new ReflinkStore(files, catalogue, volumes)
    : new CopyOnWriteStore(files, log, catalogue, options);
}

function removeLeftovers(files: Files, log: Log, options: SnapshotStoreOptions, catalogue: Catalogue): void {
  const { folder, volumes } = options;
  const making = 'a snapshot that was being made when the program ended is removed';
  for (const id of chunkFileIds(files, folder)) {
    if (catalogue.has(id)) continue;
    if (!catalogue.removing.includes(id)) {
      if (holdsChunks(files, folder, id)) throw stale(folder, id);
      log.warn(making, { snapshot: id });
    }
    removeChunkFile(files, folder, id);
  }
  for (const id of cloneIds(files, volumes, catalogue.store)) {
    if (catalogue.has(id)) continue;
    if (!catalogue.removing.includes(id)) log.warn(making, { snapshot: id });
    removeClones(files, volumes, catalogue.store, id);
  }
  catalogue.removed();
}

/** A catalogue put back from a backup: what was kept later is what its newest snapshots are made of. */
function stale(folder: string, id: string): OperatorError {
  return new OperatorError(
    'SNAPSHOT_CATALOGUE_STALE',
    `${join(folder, CATALOGUE_FILE)} is older than the snapshots: ${id}, for which data is kept, is not in it`,
    { remedy: 'put the newest catalogue back; or, to go on without these snapshots, move the folder away' },
  );
}

/** Without a catalogue everything would look like a leftover: better to ask than to remove what an operator may need. */
function refuseOrphans(files: Files, options: SnapshotStoreOptions, store: string): void {
  const { folder, volumes } = options;
  const ids = [...chunkFileIds(files, folder), ...cloneIds(files, volumes, store)];
  if (ids.length === 0) return;
  throw new OperatorError(
    'SNAPSHOT_CATALOGUE_MISSING',
    `there are snapshots of ${folder}, ${String(ids[0])} for one, but no ${CATALOGUE_FILE} in it that lists them`,
    {
      remedy: `put ${CATALOGUE_FILE} back; or, to go on without these snapshots, move the folder away, and the folders .blockferry-snapshots-${store} beside the images`,
    },
  );
}
