/**
 * `role.json` in a group's folder: which part this side has in the group, once that is no longer what the configuration
 * says. It changes atomically (I6), and also on a full disk (I8). A turn is noted before its first step and done again from
 * the start after a crash: every step of it can be.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { whyInvalid } from '../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';
import { divergenceSchema, epochSchema, forkSchema, type Divergence, type ForkPoint } from './fork.ts';
import { attachedVolumesSchema } from './attached-volumes.ts';
import type { AttachedVolume, EpochIdentity } from './ids.ts';

/** A side serves hosts in this epoch, which begins behind the fork point. */
export interface Takeover {
  readonly epoch: EpochIdentity;
  readonly fork: ForkPoint;
  /** When it took over, by its own clock; milliseconds since 1970. */
  readonly at: number;
}

/** What a side that lost the group's folder makes its own of the other side's. */
export interface Joining {
  readonly by: Takeover;
  readonly groupId: string;
  readonly volumes: readonly AttachedVolume[];
  /** 32 hexadecimal digits: it asks for all of them in this name. */
  readonly resync: string;
  /** What its volumes hold is kept, called by this. */
  readonly keeps: Divergence;
  /** They hold something, of which much may be the same on the other side. */
  readonly compare?: true | undefined;
}

/**
 * - `destination`: it follows the other side.
 * - `taking-over`: a destination that is becoming the source.
 * - `source`: it serves hosts; since a takeover, or from the beginning. It `handsBack`: until the other side follows, which is to
 *   serve what this side restored.
 * - `handing-over`: a source that serves nobody any more, and whose last record makes its destination the source in `epoch`;
 *   unless it is called off.
 * - `lost`: a source whose folder is new, and which serves nobody because its destination holds what an earlier one wrote.
 * - `joining`: one that is becoming a destination of the side that took over, with none of its history.
 * - `deposed`: a source that serves nobody any more, because the other side took over; it had itself taken over before, or not.
 * - `following`: one that is becoming a destination.
 * - `going-on`: one that is becoming the source again, in an epoch of its own.
 */
export type Role =
  | { readonly kind: 'destination' }
  | { readonly kind: 'taking-over'; readonly takeover: Takeover; readonly handsBack?: true | undefined }
  | {
      readonly kind: 'source';
      readonly takeover?: Takeover | undefined;
      readonly handsBack?: true | undefined;
    }
  | { readonly kind: 'handing-over'; readonly epoch: EpochIdentity; readonly takeover?: Takeover | undefined }
  | { readonly kind: 'lost' }
  | ({ readonly kind: 'joining' } & Joining)
  | { readonly kind: 'deposed'; readonly by: Takeover; readonly takeover?: Takeover | undefined }
  | { readonly kind: 'following'; readonly by: Takeover; readonly takeover?: Takeover | undefined }
  | { readonly kind: 'going-on'; readonly takeover: Takeover };

const FILE = 'role.json';

const hexId = z.string().regex(/^[0-9a-f]{32}$/);
const takeover = z.strictObject({ epoch: epochSchema, fork: forkSchema, at: z.number().int().nonnegative() });

/** 1 does not know of a deposed source that had taken over itself, 2 of one that hands back, 3 of one that was lost. */
const VERSION = 4;

const handsBack = z.literal(true).optional();

const schema = z.strictObject({
  version: z.literal(VERSION),
  role: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('destination') }),
    z.strictObject({ kind: z.literal('taking-over'), takeover, handsBack }),
    z.strictObject({ kind: z.literal('source'), takeover: takeover.optional(), handsBack }),
    z.strictObject({ kind: z.literal('handing-over'), epoch: epochSchema, takeover: takeover.optional() }),
    z.strictObject({ kind: z.literal('lost') }),
    z.strictObject({
      kind: z.literal('joining'),
      by: takeover,
      groupId: hexId,
      volumes: attachedVolumesSchema,
      resync: hexId,
      keeps: divergenceSchema,
      compare: z.literal(true).optional(),
    }),
    z.strictObject({ kind: z.literal('deposed'), by: takeover, takeover: takeover.optional() }),
    z.strictObject({ kind: z.literal('following'), by: takeover, takeover: takeover.optional() }),
    z.strictObject({ kind: z.literal('going-on'), takeover }),
  ]),
});

/** Undefined: what the configuration says. @throws OperatorError `STATE_DAMAGED` */
export function readRole(files: Files, folder: string): Role | undefined {
  const path = join(folder, FILE);
  const bytes = readTwoCopies(files, path);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8'))).role;
  } catch (error) {
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'restore the file from a backup; `blockferry status` on the other side says which of the two serves hosts',
      cause: error,
    });
  }
}

/** Durable on return. */
export function writeRole(files: Files, folder: string, role: Role): void {
  const text = `${JSON.stringify({ version: VERSION, role }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(text, 'utf8'));
}
