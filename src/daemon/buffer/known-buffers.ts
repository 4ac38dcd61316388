/**
 * Where a daemon's source groups had their buffers when it last ran: `NAME.buffer.json` in its state folder. One that is
 * configured elsewhere since, without a `reload`, is moved, and no new group begins beside it.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { readGroupFile } from '../../journal/source-files.ts';
import type { Files } from '../../platform/files.ts';
import { readTwoCopies, writeTwoCopies } from '../../platform/two-copy-file.ts';
import { announceMove, findGroup, isNew } from './buffer-place.ts';

const schema = z.strictObject({ version: z.literal(1), folder: z.string().min(1) });

/** Before the group starts. @throws OperatorError as `findGroup` and `announceMove` */
export function expectMove(files: Files, state: string, group: string, folder: string): void {
  const known = readKnown(files, pathOf(state, group));
  if (known === undefined || known === folder || !isNew(files, folder)) return;
  // It may not have got there yet.
  const { live } = findGroup(files, group, known);
  // Of one that was moved by hand nothing is left there.
  if (readGroupFile(files, live) !== undefined) announceMove(files, group, live, folder);
}

/** The group runs with this folder in its configuration. Durable on return. @throws the file system's errors */
export function rememberBuffer(files: Files, state: string, group: string, folder: string): void {
  const path = pathOf(state, group);
  if (readKnown(files, path) === folder) return;
  const text = `${JSON.stringify({ version: 1, folder }, undefined, 2)}\n`;
  writeTwoCopies(files, path, Buffer.from(text, 'utf8'));
}

function pathOf(state: string, group: string): string {
  return join(state, `${group}.buffer.json`);
}

/** What cannot be read counts as unknown: it is a help, and nothing relies on it. */
function readKnown(files: Files, path: string): string | undefined {
  try {
    return schema.parse(JSON.parse(readTwoCopies(files, path)?.toString('utf8') ?? '')).folder;
  } catch {
    return undefined;
  }
}
