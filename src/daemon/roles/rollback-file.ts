/**
 * `rollback.json` in a group's folder: its volumes are being brought back to a recovery point, and nobody is served before they
 * are. It is written before the first step (I6), and all of it is done again after a crash. Beside it are, in `rollback`, the
 * replication files that lead from a snapshot to a point behind it.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { lsn } from '../../journal/ids.ts';
import { JOURNAL_FOLDER, parseSealedName } from '../../journal/names.ts';
import type { Role } from '../../journal/role-file.ts';
import { readSmallFile, replaceFile } from '../../platform/atomic-file.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { whyInvalid } from '../../platform/invalid.ts';

const FILE = 'rollback.json';
/** In the group's folder. */
export const ROLLBACK_FOLDER = 'rollback';
const SIZE_MAX = 64 * 1024;

const calledSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().min(1).max(255),
});

const placeSchema = z.strictObject({
  lsn: z.int().nonnegative().transform(lsn),
  time: z.number().int().nonnegative(),
});

const pointSchema = calledSchema.extend({
  ...placeSchema.shape,
  /** It lies behind the snapshot of this id, which is here. */
  base: placeSchema.optional(),
});
/** What the volumes become: the snapshot of this id, or a state behind it. */
export type RollbackPoint = z.infer<typeof pointSchema>;

const rollbackSchema = z.strictObject({
  point: pointSchema,
  /** What the volumes held before, as a snapshot. */
  kept: calledSchema,
  /** That is there, and the volumes are no longer what it holds. */
  begun: z.boolean(),
  /** The snapshot marker that is placed at the end. */
  done: calledSchema,
});
export type Rollback = z.infer<typeof rollbackSchema>;

const schema = z.strictObject({ version: z.literal(1), rollback: rollbackSchema });

/** Undefined: there is none under way. @throws OperatorError `STATE_DAMAGED` */
export function readRollback(files: Files, folder: string): Rollback | undefined {
  const path = join(folder, FILE);
  try {
    const bytes = readSmallFile(files, path, SIZE_MAX);
    return bytes === undefined ? undefined : schema.parse(JSON.parse(bytes.toString('utf8'))).rollback;
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError))
      throw error;
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'the volumes may be half way between two states: move the file away, start, and say `blockferry rollback` at once',
      cause: error,
    });
  }
}

/** Durable on return. */
export function writeRollback(files: Files, folder: string, rollback: Rollback): void {
  replaceFile(files, join(folder, FILE), Buffer.from(JSON.stringify({ version: 1, rollback }), 'utf8'));
}

/** Before the journal's folder is emptied, what the point needs of it is put aside; again, what is left of it. Durable on return. */
export function keepSegments(files: Files, folder: string, { base, lsn: end }: RollbackPoint): void {
  if (base === undefined) return;
  const [journal, aside] = [join(folder, JOURNAL_FOLDER), join(folder, ROLLBACK_FOLDER)];
  files.makeDirectory(aside);
  for (const name of files.list(journal)) {
    const range = parseSealedName(name);
    if (range !== undefined && range.last > base.lsn && range.first <= end)
      files.rename(join(journal, name), join(aside, name));
  }
  files.syncDirectory(aside);
  files.syncDirectory(folder);
}

/** Durable on return; not so what was put aside for it, which goes too: what a crash leaves of that, the next one removes. */
export function removeRollback(files: Files, folder: string): void {
  const [note, aside] = [join(folder, FILE), join(folder, ROLLBACK_FOLDER)];
  if (files.stat(note) !== undefined) {
    files.remove(note);
    files.syncDirectory(folder);
  }
  if (files.stat(aside) !== undefined) for (const name of files.list(aside)) files.remove(join(aside, name));
}

/** Of a part that begins: what was noted of a failover that did not come to pass, or is left of a rollback that is over. */
export function clearRollback(files: Files, folder: string, { kind }: Role): void {
  if (kind === 'destination' || readRollback(files, folder) === undefined) removeRollback(files, folder);
}
