/** `GET /groups/:name/snapshots` */
import { z } from 'zod';

export const snapshotEntrySchema = z.object({
  /** The marker's id, 32 hexadecimal digits. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string(),
  lsn: z.int().nonnegative(),
  /** The source's clock at the marker, milliseconds since 1970. */
  time: z.int().nonnegative(),
  kind: z.enum(['reflink', 'copy-on-write']),
});

/** Oldest LSN first. */
export const snapshotListSchema = z.object({ snapshots: z.array(snapshotEntrySchema) });

export type SnapshotEntry = z.infer<typeof snapshotEntrySchema>;
export type SnapshotList = z.infer<typeof snapshotListSchema>;
