/** `GET` and `POST /groups/:name/snapshots`, `DELETE /groups/:name/snapshots/:id` */
import { z } from 'zod';
import { NAME_PATTERN, NAME_RULE } from '../../platform/name-rule.ts';

/** A marker's id, which is its snapshot's. */
export const SNAPSHOT_ID_PATTERN = /^[0-9a-f]{32}$/;

export const snapshotEntrySchema = z.object({
  id: z.string().regex(SNAPSHOT_ID_PATTERN),
  name: z.string(),
  lsn: z.int().nonnegative(),
  /** The source's clock at the marker, milliseconds since 1970. */
  time: z.int().nonnegative(),
  kind: z.enum(['reflink', 'copy-on-write']),
  /** Of a history that was left when the other side took over: no LSN or time leads to it. */
  apart: z.literal(true).exactOptional(),
  /** What is kept for it alone, where that can be known: of copy-on-write ones, in a list. */
  bytes: z.int().nonnegative().exactOptional(),
});

/** Without a name it is called by its UTC time. */
export const snapshotRequestSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN, `a snapshot's name has ${NAME_RULE}`).exactOptional(),
});

/** Oldest LSN first. */
export const snapshotListSchema = z.object({ snapshots: z.array(snapshotEntrySchema) });

export type SnapshotEntry = z.infer<typeof snapshotEntrySchema>;
export type SnapshotList = z.infer<typeof snapshotListSchema>;

/** `GET /groups/:name/retention`: of every snapshot, newest first, whether the group's retention keeps it, and why. */
export const retentionSchema = z.object({
  verdicts: z.array(z.object({ snapshot: snapshotEntrySchema, keep: z.boolean(), why: z.string() })),
});
export type RetentionReport = z.infer<typeof retentionSchema>;

/** What a deletion is answered with. */
export const snapshotDeletedSchema = z.object({ id: z.string().regex(SNAPSHOT_ID_PATTERN) });
export type SnapshotDeleted = z.infer<typeof snapshotDeletedSchema>;
