/** A seed: what a group's volumes hold, carried to its destinations on drives. Sizes are bytes. */
import { z } from 'zod';

const FOLDER_LENGTH_MAX = 4096;
const folder = z.string().min(1).max(FOLDER_LENGTH_MAX);

/** `fileSize`: of one file at most, as a configuration has sizes (`8 GiB`); the default is what every FAT file system takes. Of a seed that is under way it stays. */
export const seedExportRequestSchema = z.strictObject({
  folder,
  fileSize: z.string().min(1).max(32).exactOptional(),
});
export type SeedExportRequest = z.infer<typeof seedExportRequestSchema>;

export const seedImportRequestSchema = z.strictObject({ folder });
export type SeedImportRequest = z.infer<typeof seedImportRequestSchema>;

const amount = z.number().nonnegative();
const problem = z.object({ code: z.string(), message: z.string() });

/**
 * `beginning`: the record that names it is on its way through the journal; `exporting`; `stopped`: an operator is to say which
 * folder it goes on in, because of the `problem` or after a restart; `complete`: all is on drives.
 */
export const seedExportStatusSchema = z.object({
  id: z.string(),
  state: z.enum(['beginning', 'exporting', 'stopped', 'complete']),
  folder: z.string().exactOptional(),
  /** Written whole, and their size. */
  files: amount,
  bytes: amount,
  /** Of the volumes, holes included. */
  doneBytes: amount,
  totalBytes: amount,
  /** Bytes of the volumes a second over the last minute. */
  rate: amount.exactOptional(),
  timeLeftSeconds: amount.exactOptional(),
  problem: problem.exactOptional(),
});
export type SeedExportStatus = Readonly<z.infer<typeof seedExportStatusSchema>>;

/** `none`: the source has not named a seed yet. `given-up`: another full copy is needed. */
export const seedImportStatusSchema = z.object({
  state: z.enum(['none', 'awaited', 'imported', 'given-up']),
  id: z.string().exactOptional(),
  /** Files that are in the volumes, and how many there are; undefined until the drive with the last one was seen. */
  files: amount,
  total: amount.exactOptional(),
  /** What was ordered last: `waiting` for the stream to reach the seed's beginning. Bytes that are read, each file twice. */
  order: z
    .object({
      folder: z.string(),
      state: z.enum(['waiting', 'reading', 'done', 'failed']),
      file: z.string().exactOptional(),
      done: amount,
      bytes: amount,
      problem: problem.exactOptional(),
    })
    .exactOptional(),
});
export type SeedImportStatus = Readonly<z.infer<typeof seedImportStatusSchema>>;

export const seedCancelledSchema = z.object({ group: z.string() });
export type SeedCancelled = z.infer<typeof seedCancelledSchema>;

/** What a drive of a seed was full of, in `problem.code`. */
export const SEED_DRIVE_FULL = 'SEED_DRIVE_FULL';
