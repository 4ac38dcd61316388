/** `resync.json` in a group's folder: which regions a side that was deposed wants from the one that took over. */
import { join } from 'node:path';
import { z } from 'zod';
import { resyncSchema } from '../../journal/packed-regions.ts';
import type { Resync } from '../../journal/status.ts';
import { STATUS_SIZE_MAX } from '../../journal/status.ts';
import { readSmallFile, replaceFile } from '../../platform/atomic-file.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { whyInvalid } from '../../platform/invalid.ts';

const FILE = 'resync.json';
/** 1 knows of nothing that is to be compared, 2 of nobody who begins anew. */
const VERSION = 3;

const schema = z.strictObject({ version: z.literal(VERSION), resync: resyncSchema });

/** @throws OperatorError `STATE_DAMAGED` */
export function readResync(files: Files, folder: string): Resync | undefined {
  const path = join(folder, FILE);
  try {
    const bytes = readSmallFile(files, path, STATUS_SIZE_MAX);
    return bytes === undefined ? undefined : schema.parse(JSON.parse(bytes.toString('utf8'))).resync;
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError))
      throw error;
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'bring everything over: `blockferry initialize` on the other side, once this file is moved away',
      cause: error,
    });
  }
}

/** Durable on return. */
export function writeResync(files: Files, folder: string, resync: Resync): void {
  replaceFile(files, join(folder, FILE), Buffer.from(JSON.stringify({ version: VERSION, resync }), 'utf8'));
}

export function removeResync(files: Files, folder: string): void {
  files.remove(join(folder, FILE));
}
