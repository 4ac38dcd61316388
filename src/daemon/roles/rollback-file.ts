/**
 * `rollback.json` in a group's folder: its volumes are being brought back to a recovery point, and nobody is served before they
 * are. It is written before the first step (I6), and all of it is done again after a crash.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { lsn } from '../../journal/ids.ts';
import { readSmallFile, replaceFile } from '../../platform/atomic-file.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { whyInvalid } from '../../platform/invalid.ts';

const FILE = 'rollback.json';
const SIZE_MAX = 64 * 1024;

const calledSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().min(1).max(255),
});

const rollbackSchema = z.strictObject({
  /** The snapshot that the volumes become. */
  point: calledSchema.extend({
    lsn: z.int().nonnegative().transform(lsn),
    time: z.number().int().nonnegative(),
  }),
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

/** Durable on return. */
export function removeRollback(files: Files, folder: string): void {
  if (files.stat(join(folder, FILE)) === undefined) return;
  files.remove(join(folder, FILE));
  files.syncDirectory(folder);
}
