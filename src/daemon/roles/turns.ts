/**
 * How a group's folder changes from what a destination keeps into what a source keeps, and back. Each is done once its role is
 * noted (role-file.ts), and may be done again from the start after a crash at any of its steps (I6).
 */
import { join } from 'node:path';
import { ChangeMap, type MarkedVolume } from '../../capture/change-map.ts';
import { removeSeedState } from '../../capture/seed-state.ts';
import { CHANGE_MAP_FILE } from '../../journal/change-map-format.ts';
import { DIGEST_TABLE_FILE } from '../../journal/digest-table-format.ts';
import { LSN_NONE } from '../../journal/ids.ts';
import { INBOX_FOLDER, JOURNAL_FOLDER, OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER } from '../../journal/names.ts';
import { packRegions } from '../../journal/packed-regions.ts';
import { writeRole, type Takeover } from '../../journal/role-file.ts';
import { SEAL_START } from '../../journal/seal.ts';
import {
  readCheckpoint,
  readGroupFile,
  writeCheckpoint,
  writeGroupFile,
} from '../../journal/source-files.ts';
import { DESTINATION_START, readDestinationState, writeDestinationState } from '../../destage/state-file.ts';
import { assert } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { removeResync, writeResync } from './resync-file.ts';

/** Of a source alone: what they hold speaks of a journal that is no longer this side's. */
const SOURCE_FILES = [CHANGE_MAP_FILE, DIGEST_TABLE_FILE, 'medium.json'];

/**
 * A destination whose volumes are at the fork point is the source of the takeover's epoch from now on. `hasDepot`: the other
 * side fetches from this one. Durable on return.
 */
export function turnToSource(files: Files, folder: string, takeover: Takeover, hasDepot: boolean): void {
  const { groupId, volumes } = readDestinationState(files, folder);
  const { epoch, fork } = takeover;
  for (const name of [JOURNAL_FOLDER, INBOX_FOLDER, 'links', OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER])
    empty(files, join(folder, name));
  for (const name of SOURCE_FILES) files.remove(join(folder, name));
  removeSeedState(files, folder);
  removeResync(files, folder);
  // The status that the other side puts, and the segments that it fetches, need their folders.
  if (hasDepot)
    for (const name of [OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER]) files.makeDirectory(join(folder, name));
  writeCheckpoint(files, folder, {
    ...SEAL_START,
    shipped: fork.lsn,
    shippedDigest: fork.digest,
    digested: fork.lsn,
    digest: fork.digest,
    clock: fork.time,
    // Whoever has all up to here is consistent.
    copyEnded: fork.lsn,
    applied: fork.lsn,
  });
  const map = ChangeMap.open(files, folder, volumes);
  for (const { index, size } of volumes) map.clear(index, 0, size);
  map.sync();
  map.close();
  writeGroupFile(files, folder, { id: groupId, epoch, volumes });
  writeRole(files, folder, { kind: 'source', takeover });
}

/** What a source that was deposed knows of its volumes, once all of its journal is in them. */
export interface Deposed {
  /** 32 hexadecimal digits. */
  readonly resync: string;
  /** What its volumes hold that the other side's do not, or may not. */
  readonly marked: readonly MarkedVolume[];
}

/**
 * A source whose journal is in its volumes follows the other side from the fork point on: what it has behind that is kept aside
 * before anything is written over it (I10), and asked for again. Durable on return.
 * `deposed` undefined: done before, up to a crash.
 */
export function turnToDestination(
  files: Files,
  folder: string,
  by: Takeover,
  deposed: Deposed | undefined,
): void {
  const before = readDestinationState(files, folder);
  if (before.epoch?.id !== by.epoch.id) {
    assert(deposed !== undefined, 'what the volumes hold is known before they are to follow');
    follow(files, folder, by, deposed, before.statusSequence);
  }
  for (const name of [JOURNAL_FOLDER, INBOX_FOLDER, 'links']) empty(files, join(folder, name));
  for (const name of SOURCE_FILES) files.remove(join(folder, name));
  removeSeedState(files, folder);
  writeRole(files, folder, { kind: 'destination' });
}

function follow(
  files: Files,
  folder: string,
  { epoch, fork }: Takeover,
  { resync, marked }: Deposed,
  statusSequence: number,
): void {
  const [group, checkpoint] = [readGroupFile(files, folder), readCheckpoint(files, folder)];
  assert(group !== undefined && checkpoint !== undefined, 'a source has served');
  const differs = marked.some(({ bits }) => bits.some((byte) => byte !== 0));
  if (differs) writeResync(files, folder, { id: resync, volumes: packRegions(marked) });
  const { digested: lsn, clock: time } = checkpoint;
  writeDestinationState(files, folder, {
    ...DESTINATION_START,
    groupId: group.id,
    epoch,
    applied: fork.lsn,
    digest: fork.digest,
    appliedTime: fork.time,
    volumes: group.volumes,
    consistent: !differs,
    statusSequence,
    begun: LSN_NONE,
    resync: differs ? { id: resync, begun: false } : undefined,
    divergence: differs ? { epoch: group.epoch, lsn, time } : undefined,
  });
}

/** Durable on return; whatever is no file stays. */
function empty(files: Files, folder: string): void {
  if (files.stat(folder) === undefined) return;
  for (const name of files.list(folder)) files.remove(join(folder, name));
  files.syncDirectory(folder);
}
