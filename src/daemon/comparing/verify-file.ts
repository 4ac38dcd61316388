/** `verify.json` in a source's group folder: the pass under way and the last one. What is lost with it is begun anew. */
import { join } from 'node:path';
import { z } from 'zod';
import { verificationPassSchema, type VerificationPass } from '../../api/contract/verification.ts';
import type { PatrolPlace } from '../../capture/patrol.ts';
import type { Files } from '../../platform/files.ts';
import { readTwoCopies, writeTwoCopies } from '../../platform/two-copy-file.ts';

export interface VerifyFile {
  /** Of the newest pass. */
  readonly pass: number;
  /** Where the next one goes on, when it was cut off. */
  readonly place: PatrolPlace | undefined;
  /** When the newest pass began. */
  readonly beganAt: number;
  readonly last: VerificationPass | undefined;
}

export const VERIFY_START: VerifyFile = { pass: 0, place: undefined, beganAt: 0, last: undefined };

const FILE = 'verify.json';
/** 1 does not say whose disk changed. */
const VERSION = 2;
const count = z.number().int().nonnegative();

const schema = z.strictObject({
  version: z.literal(VERSION),
  pass: count,
  place: z.strictObject({ volume: count, offset: count }).optional(),
  beganAt: count,
  last: verificationPassSchema.optional(),
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
  const text = `${JSON.stringify({ version: VERSION, ...content }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}
