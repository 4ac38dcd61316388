/** `rehearsals.json` in a destination's group folder: what came of rehearsals. */
import { join } from 'node:path';
import { z } from 'zod';
import { rehearsalSchema, type Rehearsal } from '../../api/contract/rehearsals.ts';
import type { Files } from '../../platform/files.ts';
import { readTwoCopies, writeTwoCopies } from '../../platform/two-copy-file.ts';

export interface RehearsalFile {
  /** The newest that passed. */
  readonly proven?: Rehearsal;
  /** The newest that failed. */
  readonly failed?: Rehearsal;
  /** Since when none has passed, milliseconds since 1970; undefined: the newest has. */
  readonly failingSince?: number;
}

const FILE = 'rehearsals.json';
const VERSION = 1;

const schema = z.strictObject({
  version: z.literal(VERSION),
  proven: rehearsalSchema.exactOptional(),
  failed: rehearsalSchema.exactOptional(),
  failingSince: z.int().nonnegative().exactOptional(),
});

/** What is not whole says nothing: another rehearsal does. @throws the operating system's errors */
export function readRehearsalFile(files: Files, folder: string): RehearsalFile {
  const parsed = schema.safeParse(parseJson(readTwoCopies(files, join(folder, FILE))));
  if (!parsed.success) return {};
  const { proven, failed, failingSince } = parsed.data;
  return {
    ...(proven && { proven }),
    ...(failed && { failed }),
    ...(failingSince !== undefined && { failingSince }),
  };
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Durable on return. @throws the operating system's errors */
export function writeRehearsalFile(files: Files, folder: string, content: RehearsalFile): void {
  const text = `${JSON.stringify({ version: VERSION, ...content })}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}
