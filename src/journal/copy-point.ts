/**
 * What an init-begin record says of the copy that it begins. `{}`: it goes on in step with live writes, all of which are shipped
 * from here on. With a point: what is shipped from here on, until the next one, is what the volumes held there, and none of
 * what hosts wrote since.
 */
import { z } from 'zod';
import { lsn, type Lsn } from './ids.ts';
import type { JournalRecord } from './record.ts';

/** One position of the journal that a copy is as of. */
export interface CopyPoint {
  readonly lsn: Lsn;
  /** The source's clock there, milliseconds since 1970. */
  readonly time: number;
}

const count = z.number().int().nonnegative();
export const copyPointSchema = z.object({ lsn: count, time: count });
const payloadSchema = z.object({ point: copyPointSchema.optional() });

/** Undefined: none. What cannot be read is none either: it is our own, and its checksum held. */
export function copyPointOf({ payload }: Pick<JournalRecord, 'payload'>): CopyPoint | undefined {
  try {
    const { point } = payloadSchema.parse(JSON.parse(payload.toString('utf8')));
    return point && { lsn: lsn(point.lsn), time: point.time };
  } catch {
    return undefined;
  }
}
