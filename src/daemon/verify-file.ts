/** `verify.json` in a source's group folder: the pass under way and the last one. What is lost with it is begun anew. */
import { join } from 'node:path';
import { z } from 'zod';
import type { PatrolPlace } from '../capture/patrol.ts';
import type { Files } from '../platform/files.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';

/** What a destination said of a pass once it had applied all of it. Bytes of volume. */
export interface PassOutcome {
  readonly destination: string;
  readonly comparedBytes: number;
  readonly skippedBytes: number;
  /** Ranges. */
  readonly differed: number;
  readonly fromMedium: boolean;
}

/** Times are milliseconds since 1970, by the source's clock. */
export interface PassRecord {
  readonly pass: number;
  readonly beganAt: number;
  readonly endedAt: number;
  /** Of its verify records. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Of all volumes, and what of them this pass was about: less when it went on where an earlier one was cut off. */
  readonly totalBytes: number;
  readonly bytes: number;
  readonly outcomes: readonly PassOutcome[];
}

export interface VerifyFile {
  /** Of the newest pass. */
  readonly pass: number;
  /** Where the next one goes on, when it was cut off. */
  readonly place: PatrolPlace | undefined;
  /** When the newest pass began. */
  readonly beganAt: number;
  readonly last: PassRecord | undefined;
}

export const VERIFY_START: VerifyFile = { pass: 0, place: undefined, beganAt: 0, last: undefined };

const FILE = 'verify.json';
const count = z.number().int().nonnegative();

const outcome = z.strictObject({
  destination: z.string().max(63),
  comparedBytes: count,
  skippedBytes: count,
  differed: count,
  fromMedium: z.boolean(),
});

const schema = z.strictObject({
  version: z.literal(1),
  pass: count,
  place: z.strictObject({ volume: count, offset: count }).optional(),
  beganAt: count,
  last: z
    .strictObject({
      pass: count,
      beganAt: count,
      endedAt: count,
      firstLsn: count,
      lastLsn: count,
      totalBytes: count,
      bytes: count,
      outcomes: z.array(outcome),
    })
    .optional(),
});

export function readVerifyFile(files: Files, folder: string): VerifyFile {
  const parsed = schema.safeParse(parseJson(readTwoCopies(files, join(folder, FILE))));
  if (!parsed.success) return VERIFY_START;
  const { pass, place, beganAt, last } = parsed.data;
  return { pass, place, beganAt, last };
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function writeVerifyFile(files: Files, folder: string, content: VerifyFile): void {
  const text = `${JSON.stringify({ version: 1, ...content }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}
