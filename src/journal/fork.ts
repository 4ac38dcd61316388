/** Where one epoch ends and the next begins. */
import { z } from 'zod';
import type { Epoch, EpochIdentity, Lsn } from './ids.ts';

/** The last record that two sides with different epochs share. */
export interface ForkPoint {
  /** The epoch that ends here. */
  readonly epoch: EpochIdentity;
  readonly lsn: Lsn;
  /** The journal's running digest behind it. */
  readonly digest: string;
  /** The clock of the source that wrote it, milliseconds since 1970. */
  readonly time: number;
}

/** The end of a history that is left, by which what is kept of it is called. */
export interface Divergence {
  readonly epoch: EpochIdentity;
  readonly lsn: Lsn;
  /** The clock there, milliseconds since 1970. */
  readonly time: number;
}

const count = z.number().int().nonnegative();

export const epochSchema = z.strictObject({
  number: count.max(0xffffffff).transform((value) => value as Epoch),
  id: z.string().regex(/^[0-9a-f]{32}$/),
});

export const forkSchema = z.strictObject({
  epoch: epochSchema,
  lsn: count.transform((value) => value as Lsn),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  time: count,
});

export const divergenceSchema = z.strictObject({
  epoch: epochSchema,
  lsn: count.transform((value) => value as Lsn),
  time: count,
});
