/** `POST /groups/:name/mounts`, `DELETE /groups/:name/mounts/:mount` */
import { z } from 'zod';
import { snapshotEntrySchema } from './snapshots.ts';

/** A recovery point's name, with a number behind it when there is another mount of it. */
export const MOUNT_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,79}$/;

/** A snapshot by its id or name; or the newest state at or before an LSN or a time (milliseconds since 1970, the source's clock). */
export const wantedPointSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('snapshot'), called: z.string().min(1).max(80) }),
  z.strictObject({ kind: z.literal('lsn'), lsn: z.int().nonnegative() }),
  z.strictObject({ kind: z.literal('time'), time: z.int().nonnegative() }),
]);

export const mountRequestSchema = z.strictObject({
  point: wantedPointSchema,
  /** Whether it may be written; what is written is thrown away when it is unmounted. */
  writable: z.boolean().default(false),
});
export type MountRequest = z.infer<typeof mountRequestSchema>;

const addressSchema = z.union([
  z.object({ kind: z.literal('socket'), path: z.string() }),
  z.object({ kind: z.literal('tcp'), host: z.string(), port: z.int() }),
]);

/** A recovery point that is served to look at, until it is unmounted or the daemon ends. */
export const mountEntrySchema = z.object({
  name: z.string(),
  /** The snapshot that it is, or that it begins at. */
  snapshot: snapshotEntrySchema,
  /** Of what is seen: the snapshot's, or a point in time behind it. */
  lsn: z.int().nonnegative(),
  time: z.int().nonnegative(),
  writable: z.boolean(),
  /** Where the NBD server is that has the exports. */
  address: addressSchema,
  exports: z.array(z.object({ volume: z.string(), name: z.string(), size: z.number().nonnegative() })),
  /** Milliseconds since 1970. */
  mountedAt: z.number(),
});
export type MountEntry = z.infer<typeof mountEntrySchema>;

/** `hungUp`: connections that were using it. */
export const unmountedSchema = z.object({ name: z.string(), hungUp: z.int().nonnegative() });
export type Unmounted = z.infer<typeof unmountedSchema>;
