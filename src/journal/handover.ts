/** What a handover record says: JSON, the epoch that begins behind it, whose source is the destination that applies it. */
import { z } from 'zod';
import { epochSchema } from './fork.ts';
import type { EpochIdentity } from './ids.ts';
import type { JournalRecord } from './record.ts';

export interface HandoverPayload {
  readonly epoch: EpochIdentity;
}

const schema = z.strictObject({ epoch: epochSchema });

/** Undefined when it makes no sense. */
export function parseHandover({ payload }: Pick<JournalRecord, 'payload'>): HandoverPayload | undefined {
  try {
    return schema.parse(JSON.parse(payload.toString('utf8')));
  } catch {
    return undefined;
  }
}
