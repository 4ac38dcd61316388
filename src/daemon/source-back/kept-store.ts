/**
 * Whether a snapshot store may be believed. Copies are made of what is overwritten while the store is kept up; behind its back
 * they lack it, and nothing in them tells. So the group's folder has a note of the store that nothing was overwritten
 * behind, whatever part the side plays: it is written before anything is, and taken away by who keeps none up.
 */
import { join } from 'node:path';
import { readSmallFile, replaceFile } from '../../platform/atomic-file.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import type { SnapshotStore } from '../../recovery/snapshot-store.ts';

const NOTE = 'snapshots-kept';
const NOTE_SIZE_MAX = 64 * 1024;

export interface KeptPlace {
  /** The group's. */
  readonly folder: string;
  /** The store's. */
  readonly snapshotFolder: string;
}

/** The store, which is kept up from here on. @throws OperatorError `SNAPSHOTS_NOT_KEPT`, and then it is closed */
export function keepUp(
  files: Files,
  { folder, snapshotFolder }: KeptPlace,
  store: SnapshotStore,
): SnapshotStore {
  try {
    const path = join(folder, NOTE);
    const kept = readSmallFile(files, path, NOTE_SIZE_MAX)?.toString('utf8');
    if (kept === snapshotFolder) return store;
    // Clones are whole whatever happens to the volumes.
    if (store.kind === 'copy-on-write' && store.list().length > 0) throw notKept(snapshotFolder);
    replaceFile(files, path, Buffer.from(snapshotFolder, 'utf8'));
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

/** None is kept up: what is there must never be taken for whole again. Durable on return. */
export function forgetKept(files: Files, folder: string): void {
  const path = join(folder, NOTE);
  if (files.stat(path) === undefined) return;
  files.remove(path);
  files.syncDirectory(folder);
}

function notKept(folder: string): OperatorError {
  return new OperatorError(
    'SNAPSHOTS_NOT_KEPT',
    `the snapshots in ${folder} lack what was overwritten since they were last kept up by this group`,
    { remedy: 'move the folder away, or give `snapshots` in the configuration another one' },
  );
}
