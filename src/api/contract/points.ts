/** `GET /groups/:name/points`: what a destination can go back to. */
import { z } from 'zod';
import { snapshotEntrySchema } from './snapshots.ts';

const placeSchema = z.object({ lsn: z.int().nonnegative(), time: z.int().nonnegative() });

export const recoveryPointsSchema = z.object({
  /** Where the volumes are now. No recovery point while they are not `consistent`. */
  applied: z.object({
    lsn: z.int().nonnegative(),
    /** The source's clock there, milliseconds since 1970; 0 when nothing was applied yet. */
    time: z.int().nonnegative(),
    consistent: z.boolean(),
    /** Records up to here may be in them in part: applying them was cut off. */
    aheadTo: z.int().positive().optional(),
  }),
  /** Oldest LSN first. `named`: somebody gave it its name; such a one is never pruned. */
  snapshots: z.array(snapshotEntrySchema.extend({ named: z.boolean() })),
  /**
   * Between which any state can be gone back to, oldest first, the newest 1,000; `time` is the source's. `every`: at each
   * record; otherwise at the ends of replication files alone, between which data was left out.
   */
  windows: z.array(z.object({ from: placeSchema, to: placeSchema, every: z.boolean() })),
  /** Of those of the newest 1,000 that lie in a window and are no snapshot, oldest first: their states go by their names, too. */
  markers: z.array(placeSchema.extend({ name: z.string() })),
});

export type RecoveryPoints = z.infer<typeof recoveryPointsSchema>;
