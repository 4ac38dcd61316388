/** What a handover record says: JSON, the epoch that begins behind it, whose source is the destination that has it and all before. */
import { z } from 'zod';
import { epochSchema } from './fork.ts';
import type { EpochIdentity } from './ids.ts';
import type { JournalRecord } from './record.ts';

export interface HandoverPayload {
  /** Null: the one before is called off. */
  readonly epoch: EpochIdentity | null;
}

const schema = z.strictObject({ epoch: epochSchema.nullable() });

/** Undefined when it makes no sense. */
export function parseHandover({ payload }: Pick<JournalRecord, 'payload'>): HandoverPayload | undefined {
  try {
    return schema.parse(JSON.parse(payload.toString('utf8')));
  } catch {
    return undefined;
  }
}
