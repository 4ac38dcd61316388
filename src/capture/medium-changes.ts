/**
 * `medium.json` in a source's group folder: where its own volumes were found to hold what no host wrote. What cannot be read
 * of it is found again by nobody: it is kept as carefully as the checkpoint.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { VOLUMES_PER_GROUP_MAX, type Lsn, type VolumeIndex } from '../journal/ids.ts';
import type { Files } from '../platform/files.ts';
import { shortList } from '../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';

/** Ranges that are remembered; further ones are found again when there is room. */
export const MEDIUM_CHANGES_MAX = 100;

/** A range that a verify record spoke of before, that nobody has written since, and that holds something else now. */
export interface MediumChange {
  readonly volume: VolumeIndex;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** Of the verify record that told. */
  readonly lsn: Lsn;
  /** Of the newest one that spoke of it as it was, and that one's digest in hexadecimal digits. */
  readonly knownLsn: Lsn;
  readonly digest: string;
}

const FILE = 'medium.json';
const count = z.number().int().nonnegative();
const lsnSchema = count.transform((value) => value as Lsn);

const schema = z.strictObject({
  version: z.literal(1),
  changes: shortList(
    z.strictObject({
      volume: count.max(VOLUMES_PER_GROUP_MAX - 1).transform((value) => value as VolumeIndex),
      offset: count,
      length: count,
      lsn: lsnSchema,
      knownLsn: lsnSchema,
      digest: z.string().regex(/^[0-9a-f]{32}$/),
    }),
    MEDIUM_CHANGES_MAX,
  ),
});

/** None where there is no such file or none can be made out. @throws the operating system's errors */
export function readMediumChanges(files: Files, folder: string): readonly MediumChange[] {
  const bytes = readTwoCopies(files, join(folder, FILE));
  try {
    return bytes === undefined ? [] : schema.parse(JSON.parse(bytes.toString('utf8'))).changes;
  } catch {
    return [];
  }
}

/** Durable on return. @throws the operating system's errors */
export function writeMediumChanges(files: Files, folder: string, changes: readonly MediumChange[]): void {
  const text = `${JSON.stringify({ version: 1, changes }, undefined, 1)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}
