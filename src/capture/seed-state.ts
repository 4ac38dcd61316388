/** `seed-export.json` in a source's group folder: how far a seed is written to drives. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Lsn } from '../journal/ids.ts';
import { SEED_SKIPPED_MAX } from '../journal/seed/manifest.ts';
import { SEED_FILES_MAX } from '../journal/seed/seed-file.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { shortList, whyInvalid } from '../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';

/** Where a seed is: what lies before it, in the order of the volumes, is done. */
export interface SeedPlace {
  /** Position among the group's volumes, not their index in the journal. */
  readonly volume: number;
  /** Bytes. */
  readonly offset: number;
}

export interface SeedState {
  /** 32 hexadecimal digits. */
  readonly seed: string;
  /** Of one seed file at most. */
  readonly fileSize: number;
  /** The init-begin record that names the seed: what is read of the volumes is read behind it. Undefined before it is sealed. */
  readonly begun: Lsn | undefined;
  readonly place: SeedPlace;
  /** Files so far, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** The next file is whole, and goes up to here: nobody knows whether it got its name. */
  readonly finishing: SeedPlace | undefined;
  /** Numbers that are no part of the seed: what those files were to hold goes over the link. */
  readonly skipped: readonly number[];
  /** Everything is on drives. */
  readonly complete: boolean;
}

const FILE = 'seed-export.json';
const count = z.number().int().nonnegative();
const place = z.strictObject({ volume: count, offset: count });

const schema = z.strictObject({
  version: z.literal(1),
  seed: z.string().regex(/^[0-9a-f]{32}$/),
  fileSize: count,
  begun: count.transform((value) => value as Lsn).optional(),
  place,
  files: count.max(SEED_FILES_MAX),
  bytes: count,
  finishing: place.optional(),
  skipped: shortList(count, SEED_SKIPPED_MAX),
  complete: z.boolean(),
});

/** @throws OperatorError `STATE_DAMAGED` */
export function readSeedState(files: Files, folder: string): SeedState | undefined {
  const path = join(folder, FILE);
  const bytes = readTwoCopies(files, path);
  if (bytes === undefined) return undefined;
  try {
    const { begun, finishing, ...rest } = schema.parse(JSON.parse(bytes.toString('utf8')));
    return { ...rest, begun, finishing };
  } catch (error) {
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'restore it from a backup, or remove it, start blockferry and say `blockferry initialize`: all is brought over again',
      cause: error,
    });
  }
}

/** Durable on return. @throws the file system's errors */
export function writeSeedState(files: Files, folder: string, state: SeedState): void {
  const text = `${JSON.stringify({ version: 1, ...state }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}

/** No seed is under way any more; durable on return. */
export function removeSeedState(files: Files, folder: string): void {
  files.remove(join(folder, FILE));
  files.syncDirectory(folder);
}
