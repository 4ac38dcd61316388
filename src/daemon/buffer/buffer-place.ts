/**
 * Where a group's folder is, while it moves to another and afterwards. A note in each of the two folders says so:
 *
 * - `moved-from.json` in the new folder is written first, before the configuration that names it is taken: a start that finds
 *   it knows that the group is somewhere else, and that it is no new one.
 * - `moved-to.json` in the old folder is made before anything is copied, so that to change it needs no room. That it says
 *   `done` is the move's one commit point (I6): before it the old folder is the group's, from it on the new one, which then
 *   holds everything, durably.
 *
 * The old folder keeps its note: a start with an older configuration is refused instead of going on with what is there.
 */
import { dirname, join, sep } from 'node:path';
import { z } from 'zod';
import { readGroupFile } from '../../journal/source-files.ts';
import { describeError, OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { whyInvalid } from '../../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../../platform/two-copy-file.ts';

const FROM = 'moved-from.json';
const TO = 'moved-to.json';
const LOCK = 'lock';

/** What says where the group is stays in its folder, and is not copied to another. */
export const PLACE_FILES: ReadonlySet<string> = new Set([FROM, TO, LOCK]);

const noteSchema = z.strictObject({
  version: z.literal(1),
  /** The other one of the two. */
  folder: z.string().min(1),
  done: z.boolean(),
});

interface Note {
  readonly folder: string;
  readonly done: boolean;
}

export interface Whereabouts {
  /** The folder that is the group's. */
  readonly live: string;
  /** Folders with what a move left behind. */
  readonly left: readonly string[];
}

/**
 * Where the group is whose configuration names this folder.
 * @throws OperatorError `GROUP_MOVED` to another one, `GROUP_MOVE_UNKNOWN` as the folder that it moved from is not there,
 * `STATE_DAMAGED`
 */
export function findGroup(files: Files, group: string, wanted: string): Whereabouts {
  const from = readNote(files, wanted, FROM);
  if (from === undefined || from.done) return inside(files, group, wanted);
  const to = readNote(files, from.folder, TO);
  if (to?.done === true && to.folder === wanted) {
    arrive(files, from.folder, wanted);
    return inside(files, group, wanted);
  }
  if (to?.done === true || readGroupFile(files, from.folder) !== undefined)
    return inside(files, group, from.folder);
  throw new OperatorError(
    'GROUP_MOVE_UNKNOWN',
    `group ${group} was being moved from ${from.folder} to ${wanted}, and ${from.folder} is not there to tell how far that was`,
    {
      remedy: `mount the file system of ${from.folder} and start blockferry again`,
      retryable: true,
    },
  );
}

/**
 * The group is to move to this folder; durable on return, and undone by naming another.
 * @throws OperatorError `BUFFER_TAKEN` by something else, `BUFFER_UNUSABLE`
 */
export function announceMove(files: Files, group: string, live: string, to: string): void {
  if (`${to}${sep}`.startsWith(`${live}${sep}`) || live.startsWith(`${to}${sep}`)) {
    throw taken(group, to, `it and the present folder ${live} lie in one another`);
  }
  if (!isLeftBehind(files, to, live) && readNote(files, to, TO)?.done !== true && !isEmpty(files, to)) {
    throw taken(group, to, 'there is something in it already');
  }
  try {
    files.makeDirectory(to);
    writeNote(files, to, FROM, { folder: live, done: false });
  } catch (error) {
    throw new OperatorError(
      'BUFFER_UNUSABLE',
      `group ${group} cannot move to ${to}: ${describeError(error)}`,
      {
        remedy: 'see to that folder and its file system, or name another; the daemon goes on as it was',
        cause: error,
      },
    );
  }
}

/** Room for the note that ends the move is there from now on. @throws the file system's errors */
export function beginMove(files: Files, live: string, to: string): void {
  writeNote(files, live, TO, { folder: to, done: false });
}

/**
 * The group is in `to` from now on; durable on return.
 * @throws OperatorError `GROUP_MOVE_UNKNOWN` when nobody knows which of the two it is; the file system's errors when it is
 * still `live`
 */
export function commitMove(files: Files, live: string, to: string): void {
  try {
    writeNote(files, live, TO, { folder: to, done: true });
  } catch (error) {
    // A part of it may be on the medium, or all.
    try {
      writeNote(files, live, TO, { folder: to, done: false });
    } catch {
      throw new OperatorError(
        'GROUP_MOVE_UNKNOWN',
        `${live} could not be written when the group was to go on in ${to}`,
        {
          remedy: `check the disk of ${live}, then restart blockferry: it finds out which of the two holds`,
          cause: error,
        },
      );
    }
    throw error;
  }
  try {
    arrive(files, live, to);
  } catch {
    // It is when the group is next looked for.
  }
}

/** Nothing moves into `to` any more, which is empty but for its note. */
export function forgetMove(files: Files, live: string, to: string): void {
  if (isOurs(readNote(files, to, FROM), live, false)) removeNote(files, to, FROM);
  if (isOurs(readNote(files, live, TO), to, false)) removeNote(files, live, TO);
}

/** Whether what lies in this folder is no longer, or not yet, the group's, whose folder is `live`: it may be removed. */
export function isLeftBehind(files: Files, folder: string, live: string): boolean {
  return (
    isOurs(readNote(files, folder, TO), live, true) ||
    (isOurs(readNote(files, folder, FROM), live, false) && readNote(files, folder, TO)?.done !== true)
  );
}

/** All of the old folder is gone but what says where the group is. */
export function forgetOld(files: Files, old: string, live: string): void {
  if (isOurs(readNote(files, live, FROM), old, true)) removeNote(files, live, FROM);
}

/** Whether there is neither a group, nor was one, nor is one to come. */
export function isNew(files: Files, folder: string): boolean {
  const hasNotes = [FROM, TO].some((name) => readNote(files, folder, name) !== undefined);
  return !hasNotes && readGroupFile(files, folder) === undefined;
}

/** Of what is not about a move. */
function isEmpty(files: Files, folder: string): boolean {
  return files.stat(folder) === undefined || files.list(folder).every((name) => PLACE_FILES.has(name));
}

/** The new folder says so itself; that it was the old one of an earlier move is over. */
function arrive(files: Files, old: string, live: string): void {
  removeNote(files, live, TO);
  writeNote(files, live, FROM, { folder: old, done: true });
}

function inside(files: Files, group: string, folder: string): Whereabouts {
  const to = readNote(files, folder, TO);
  if (to?.done === true) {
    throw new OperatorError(
      'GROUP_MOVED',
      `group ${group} is no longer in ${folder}: it was moved to ${to.folder}`,
      {
        remedy: `set groups.${group}.buffer to ${dirname(to.folder)}`,
      },
    );
  }
  const from = readNote(files, folder, FROM);
  return {
    live: folder,
    left: [...(to === undefined ? [] : [to.folder]), ...(from?.done === true ? [from.folder] : [])],
  };
}

function isOurs(note: Note | undefined, folder: string, done: boolean): boolean {
  return note?.folder === folder && note.done === done;
}

function readNote(files: Files, folder: string, name: string): Note | undefined {
  const path = join(folder, name);
  const bytes = readTwoCopies(files, path);
  if (bytes === undefined) return undefined;
  try {
    const { folder: other, done } = noteSchema.parse(JSON.parse(bytes.toString('utf8')));
    return { folder: other, done };
  } catch (error) {
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy: 'restore the file from a backup: it says which of two folders is the group’s',
      cause: error,
    });
  }
}

function writeNote(files: Files, folder: string, name: string, note: Note): void {
  const text = `${JSON.stringify({ version: 1, ...note }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, name), Buffer.from(text, 'utf8'));
}

function removeNote(files: Files, folder: string, name: string): void {
  const path = join(folder, name);
  if (files.stat(path) === undefined) return;
  files.remove(path);
  files.syncDirectory(folder);
}

export function movedByHand(group: string): OperatorError {
  return new OperatorError('RESTART_NEEDED', `the buffer of group ${group} cannot be moved while it runs`, {
    remedy:
      'stop blockferry, move the group’s folder with mv, and start it; a source that never changed its part, and has its snapshots outside of that folder, moves by itself',
  });
}

export function mountedMeanwhile(group: string): OperatorError {
  return new OperatorError('MOVE_MOUNTED', `recovery points of group ${group} are mounted`, {
    remedy:
      'say `blockferry unmount` for each that `blockferry status` lists; what is mounted cannot move along',
    retryable: true,
  });
}

function taken(group: string, folder: string, why: string): OperatorError {
  return new OperatorError('BUFFER_TAKEN', `group ${group} cannot move to ${folder}: ${why}`, {
    remedy: 'name another folder, or empty that one if nothing in it is needed; the daemon goes on as it was',
  });
}
