/** Which side serves hosts, and what: failover, switchover, rejoin, rollback. */
import { z } from 'zod';
import { wantedPointSchema } from './mounts.ts';

export const roleRequestSchema = z.strictObject({
  /** Only say what would be done, and what is lost. */
  dryRun: z.boolean().default(false),
});
export type RoleRequest = z.infer<typeof roleRequestSchema>;

export const failoverRequestSchema = roleRequestSchema.extend({
  /** What the volumes are brought back to before hosts are served; left out: all that arrived. */
  point: wantedPointSchema.optional(),
  /** The other side is to serve again, as soon as it follows: this side restores it. */
  handBack: z.boolean().default(false),
});
export type FailoverRequest = z.infer<typeof failoverRequestSchema>;

export const rollbackRequestSchema = roleRequestSchema.extend({ point: wantedPointSchema });
export type RollbackRequest = z.infer<typeof rollbackRequestSchema>;

const amount = z.int().nonnegative();
/** At most so many bytes of the volumes, as they are now, are something else than at the point; undefined: that is not known. */
const changedBytes = amount.optional();

/** Of a failover: up to where this side has what hosts wrote. */
export const failoverAnswerSchema = z.object({
  /** The record that it takes over at, and the source's clock there (milliseconds since 1970; 0: not known). */
  lsn: amount,
  time: amount,
  /** This side's clock less that, in seconds: what hosts wrote in this time is not here, as far as clocks agree. */
  behindSeconds: z.number(),
  /** Replication files that arrived and are of no use, because what comes before them did not; and their bytes. */
  uselessSegments: amount,
  uselessBytes: amount,
  /** Markers whose program did not run to its end, which it will not any more. */
  markers: z.array(z.string()),
  /** Where hosts find the volumes. */
  hosts: z.string(),
  /** This side was deposed and goes on with what its hosts wrote: the other side took over at that time, at that record. */
  insteadOf: z.object({ at: amount, lsn: amount, epoch: amount }).optional(),
  /** This side was handing over, and does not any more; the epoch in which the other side serves if it has the last record already. */
  calledOff: amount.optional(),
  epoch: amount,
  /** The volumes become what they were at this point, and then hosts are served. */
  rollback: z
    .object({
      point: z.object({ name: z.string(), lsn: amount, time: amount }),
      /** Of what arrived, what the volumes do not hold any more then; it is kept as this snapshot. */
      discardedSeconds: z.number(),
      changedBytes,
      keptAs: z.string(),
    })
    .optional(),
});
export type FailoverAnswer = z.infer<typeof failoverAnswerSchema>;

export const switchoverAnswerSchema = z.object({
  /** The other side's name. */
  to: z.string(),
  /** Connections of hosts that are closed. */
  hosts: amount,
  /** Bytes that are still to be sent. */
  lagBytes: amount,
  epoch: amount,
});
export type SwitchoverAnswer = z.infer<typeof switchoverAnswerSchema>;

export const rejoinAnswerSchema = z.object({
  /** When the other side took over, by its clock, and at which record of the epoch before. */
  at: amount,
  fork: z.object({ lsn: amount, time: amount }),
  epoch: amount,
  /** What this side's hosts wrote behind that: writes as far as they are counted, bytes that may differ, and from when to when. */
  writes: amount,
  bytes: amount,
  /** Bytes that may differ, of each volume that has any. */
  volumes: z.array(z.object({ name: z.string(), bytes: amount })),
  from: amount.optional(),
  to: amount.optional(),
  /** The snapshot that it is kept in; undefined: nothing is lost. */
  keptAs: z.string().optional(),
  /** This side has none of the group's history: of these bytes, all that the other side's volumes have, what differs comes over. */
  anew: amount.optional(),
  /** It is a destination that lacks these records, and goes on without them; the bytes are those of the volumes that it knows. */
  lacks: z.object({ first: amount, last: amount }).optional(),
});
export type RejoinAnswer = z.infer<typeof rejoinAnswerSchema>;

export const rollbackAnswerSchema = z.object({
  /** What the volumes become. */
  point: z.object({ id: z.string(), name: z.string(), lsn: amount, time: amount }),
  /** The newest record; what came behind the point's is in the volumes no more. */
  lsn: amount,
  /** This side's clock less the point's time, in seconds. */
  behindSeconds: z.number(),
  /** Connections of hosts that are closed. */
  hosts: amount,
  /** Mounts of recovery points that end. */
  mounts: z.array(z.string()),
  /** The snapshot of what the volumes hold now. */
  keptAs: z.string(),
  changedBytes,
});
export type RollbackAnswer = z.infer<typeof rollbackAnswerSchema>;
