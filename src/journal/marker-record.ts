/** What a marker record says, checked: its id becomes part of file names and of the state file (I12). Pure. */
import { z } from 'zod';
import type { JournalRecord, MarkerPayload } from './record.ts';

/** Milliseconds since 1970: the last that a date can be (ECMA-262, time values and time range). */
const TIME_MAX = 8_640_000_000_000_000;

const payloadSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  kind: z.enum(['snapshot', 'custom']),
  name: z.string().max(255),
});

/** Undefined when it cannot be used. */
export function parseMarker(record: JournalRecord): MarkerPayload | undefined {
  if (record.offset > TIME_MAX) return undefined;
  try {
    return payloadSchema.parse(JSON.parse(record.payload.toString('utf8')));
  } catch {
    return undefined;
  }
}
