/**
 * How a group's folder changes from what a destination keeps into what a source keeps, and back. Each is done once its role is
 * noted (role-file.ts), and may be done again from the start after a crash at any of its steps (I6).
 */
import { join } from 'node:path';
import { ChangeMap, type MarkedVolume } from '../../capture/change-map.ts';
import { removeSeedState } from '../../capture/seed-state.ts';
import { CHANGE_MAP_FILE } from '../../journal/change-map-format.ts';
import { DIGEST_TABLE_FILE } from '../../journal/digest-table-format.ts';
import { LSN_NONE, next } from '../../journal/ids.ts';
import { INBOX_FOLDER, JOURNAL_FOLDER, OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER } from '../../journal/names.ts';
import { packRegions } from '../../journal/packed-regions.ts';
import { writeRole, type Joining, type Role, type Takeover } from '../../journal/role-file.ts';
import { SEAL_START } from '../../journal/seal.ts';
import {
  readCheckpoint,
  readGroupFile,
  writeCheckpoint,
  writeGroupFile,
} from '../../journal/source-files.ts';
import { DESTINATION_START, readDestinationState, writeDestinationState } from '../../destage/state-file.ts';
import { markDiverged } from '../source-back/diverged.ts';
import { assert } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { removeResync, writeResync } from './resync-file.ts';
import { keepSegments, readRollback, removeRollback } from './rollback-file.ts';

/** Of a source alone: what they hold speaks of a journal that is no longer this side's. */
const SOURCE_FILES = [CHANGE_MAP_FILE, DIGEST_TABLE_FILE, 'medium.json'];

/** Of a group's configuration. */
export interface GroupPlace {
  readonly folder: string;
  readonly key: Buffer | undefined;
}

/** Does what is noted to be done. Returns the part that this side has from now on. */
export function finishTurn(files: Files, { folder, key }: GroupPlace, role: Role, hasDepot: boolean): Role {
  if (role.kind === 'taking-over') return turnToSource(files, folder, role, hasDepot);
  if (role.kind === 'joining') return joinOther(files, folder, role);
  if (role.kind === 'going-on') return goOn(files, { folder, key }, role.takeover);
  // Up to there, what it has behind the fork point is still to be found.
  if (role.kind !== 'following' || !isFollower(files, folder, role.by)) return role;
  turnToDestination(files, folder, role.by, undefined);
  return { kind: 'destination' };
}

/**
 * A destination whose volumes are at the fork point is the source of the takeover's epoch from now on. `hasDepot`: the other
 * side fetches from this one. Durable on return.
 */
export function turnToSource(
  files: Files,
  folder: string,
  { takeover, handsBack }: Omit<Extract<Role, { kind: 'taking-over' }>, 'kind'>,
  hasDepot: boolean,
): Role {
  const { groupId, volumes } = readDestinationState(files, folder);
  const { epoch, fork } = takeover;
  const rollback = readRollback(files, folder);
  if (rollback !== undefined) keepSegments(files, folder, rollback.point);
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
  return noteSource(files, folder, { takeover, handsBack });
}

function noteSource(
  files: Files,
  folder: string,
  how: Omit<Extract<Role, { kind: 'source' }>, 'kind'>,
): Role {
  const role = { kind: 'source', ...how } as const;
  writeRole(files, folder, role);
  return role;
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
  if (!isFollower(files, folder, by)) {
    assert(deposed !== undefined, 'what the volumes hold is known before they are to follow');
    follow(files, folder, by, deposed);
  }
  noteDestination(files, folder);
}

function noteDestination(files: Files, folder: string): Role {
  for (const name of [JOURNAL_FOLDER, INBOX_FOLDER, 'links']) empty(files, join(folder, name));
  for (const name of SOURCE_FILES) files.remove(join(folder, name));
  removeSeedState(files, folder);
  removeRollback(files, folder);
  const role = { kind: 'destination' } as const;
  writeRole(files, folder, role);
  return role;
}

/**
 * A side that has nothing of the group's history follows the other from the fork point on, and asks for all of its volumes: what
 * they hold here is kept aside before anything is written over it (I10). Durable on return.
 */
function joinOther(files: Files, folder: string, joining: Joining): Role {
  const { by, groupId, volumes, resync: id, keeps, compare } = joining;
  if (!isFollower(files, folder, by)) {
    writeResync(files, folder, { id, volumes: [], compare, anew: true });
    const { lsn: applied, digest, time: appliedTime } = by.fork;
    writeDestinationState(files, folder, {
      ...DESTINATION_START,
      ...{ groupId, epoch: by.epoch, applied, digest, appliedTime, volumes },
      statusSequence: readDestinationState(files, folder).statusSequence,
      resync: { id, begun: false, anew: 'anywhere' },
      divergence: keeps,
    });
  }
  return noteDestination(files, folder);
}

/**
 * A destination that lacks records which nobody keeps any more goes on behind them, and asks for all that the source has: what
 * its volumes hold is kept aside before anything is written over it (I10). Durable on return.
 */
export function beginAnew(files: Files, folder: string, id: string): void {
  const state = readDestinationState(files, folder);
  const { epoch, applied, appliedTime: time } = state;
  writeResync(files, folder, { id, volumes: [], compare: true, anew: true });
  writeDestinationState(files, folder, {
    ...state,
    consistent: false,
    seed: undefined,
    resync: { id, begun: false, anew: 'anywhere' },
    // Behind what is applied: of that, too, a part may be in the volumes.
    divergence: epoch && { epoch, lsn: next(applied), time },
  });
}

function isFollower(files: Files, folder: string, by: Takeover): boolean {
  return readDestinationState(files, folder).epoch?.id === by.epoch.id;
}

/**
 * A source that was deposed serves hosts again from now on, in an epoch of its own: all of its journal is in its volumes, and what
 * the other side lacks of them is marked and goes over as what was not shipped. Durable on return.
 */
function goOn(files: Files, { folder, key }: GroupPlace, takeover: Takeover): Role {
  const [group, checkpoint] = [readGroupFile(files, folder), readCheckpoint(files, folder)];
  assert(group !== undefined && checkpoint !== undefined, 'a source has served');
  const { epoch, fork } = takeover;
  const map = ChangeMap.open(files, folder, group.volumes);
  try {
    // It was looked at before that it has all up to there.
    markDiverged(files, map, { fork, began: fork }, { ...group, folder, key, checkpoint });
  } finally {
    map.close();
  }
  empty(files, join(folder, JOURNAL_FOLDER));
  writeCheckpoint(files, folder, {
    ...SEAL_START,
    shipped: fork.lsn,
    shippedDigest: fork.digest,
    digested: checkpoint.digested,
    digest: checkpoint.digest,
    clock: checkpoint.clock,
    copyEnded: fork.lsn,
    applied: checkpoint.digested,
  });
  writeGroupFile(files, folder, { ...group, epoch });
  return noteSource(files, folder, { takeover });
}

function follow(files: Files, folder: string, { epoch, fork }: Takeover, { resync, marked }: Deposed): void {
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
    statusSequence: readDestinationState(files, folder).statusSequence,
    begun: LSN_NONE,
    resync: differs ? { id: resync, begun: false } : undefined,
    // Markers and clocks alone are a history that is left, too.
    divergence: differs || lsn > fork.lsn ? { epoch: group.epoch, lsn, time } : undefined,
  });
}

/** Durable on return; whatever is no file stays. */
function empty(files: Files, folder: string): void {
  if (files.stat(folder) === undefined) return;
  for (const name of files.list(folder)) files.remove(join(folder, name));
  files.syncDirectory(folder);
}
