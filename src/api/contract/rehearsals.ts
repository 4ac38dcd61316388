/** `POST /groups/:name/rehearsals`, `GET /groups/:name/rehearsals/:number` */
import { z } from 'zod';
import { mountRequestSchema } from './mounts.ts';

/** Lines of a check's output that are kept, the last ones, and characters of each. */
export const TAIL_LINES_MAX = 20;
export const TAIL_LINE_LENGTH_MAX = 200;

/** Without a point it is the newest. */
export const rehearsalRequestSchema = z.strictObject({
  point: mountRequestSchema.shape.point.exactOptional(),
});
export type RehearsalRequest = z.infer<typeof rehearsalRequestSchema>;

const count = z.int().nonnegative();

/** What came of one. */
export const rehearsalSchema = z.object({
  number: count,
  /** Milliseconds since 1970. */
  beganAt: count,
  /** What was mounted, time by the source's clock; undefined: nothing could be. */
  point: z.object({ mount: z.string(), lsn: count, time: count }).exactOptional(),
  /** Milliseconds from its beginning until its volumes were served. */
  mountedAfter: count.exactOptional(),
  /** Milliseconds from its beginning until the check had ended. */
  endedAfter: count,
  /** Why it failed; undefined: the check passed. */
  failure: z.string().exactOptional(),
  /** The end of what the check printed. */
  output: z.array(z.string()),
});
export type Rehearsal = z.infer<typeof rehearsalSchema>;

/** The newest that passed, and the newest that failed. */
export const rehearsalsStatusSchema = z.object({
  current: z.object({ number: count, beganAt: count }).exactOptional(),
  proven: rehearsalSchema.exactOptional(),
  failed: rehearsalSchema.exactOptional(),
});
export type RehearsalsStatus = z.infer<typeof rehearsalsStatusSchema>;

export const rehearsalBegunSchema = z.object({ number: count });
export type RehearsalBegun = z.infer<typeof rehearsalBegunSchema>;

export const rehearsalProgressSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('under-way') }),
  z.object({ state: z.literal('ended'), rehearsal: rehearsalSchema }),
]);
export type RehearsalProgress = z.infer<typeof rehearsalProgressSchema>;
