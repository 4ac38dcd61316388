/**
 * `destination-state.json` in the group's folder: what a destination must remember. It changes atomically (I6), and also
 * on a full disk (I8).
 */
import { join } from 'node:path';
import { z } from 'zod';
import { divergenceSchema, epochSchema, type Divergence } from '../journal/fork.ts';
import { attachedVolumesSchema } from '../journal/attached-volumes.ts';
import type { AttachedVolume, EpochIdentity, Lsn } from '../journal/ids.ts';
import { LSN_NONE } from '../journal/ids.ts';
import { compareAnswerSchema, type CompareAnswer } from '../journal/compare-answer.ts';
import { VERIFICATION_START, verificationSchema, type Verification } from '../journal/verification.ts';
import { DIGEST_START } from '../journal/segment/format.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { whyInvalid } from '../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';

/** Programs that may run while the volumes go on; a further one makes them stand still until one of these has ended. */
export const BACKGROUND_MAX = 16;

/** A custom marker that has been reached and whose program has not ended. */
export interface PendingMarker {
  readonly id: string;
  readonly kind: 'snapshot' | 'custom';
  readonly name: string;
  readonly lsn: Lsn;
  /** The source's clock at the marker, milliseconds since 1970. */
  readonly time: number;
  /** Times that its program has been started, or may have been. */
  readonly attempt: number;
  /** Times that it ended, and failed. An end that this process brought about is none. */
  readonly failures: number;
}

/**
 * `awaited`: the volumes stand still at the init-begin record that names it, until all of its files are imported. `given-up`:
 * they went on without it, and are not consistent before another full copy.
 */
export interface AwaitedSeed {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly state: 'awaited' | 'imported' | 'given-up';
}

export interface DestinationState {
  /** The group's id, pinned by its first segment; empty before it. */
  readonly groupId: string;
  readonly epoch: EpochIdentity | undefined;
  /** The checkpoint: everything up to here is durable in the volumes, and the journal's running digest here. */
  readonly applied: Lsn;
  readonly digest: string;
  /** The source's clock at `applied`. */
  readonly appliedTime: number;
  readonly volumes: readonly AttachedVolume[];
  readonly consistent: boolean;
  /** The volumes stand still at this one. */
  readonly pending: PendingMarker | undefined;
  /** Whose programs run, or are to run again, while the volumes go on. */
  readonly background: readonly PendingMarker[];
  /** Status sequence numbers below this have perhaps been used. */
  readonly statusSequence: number;
  /** What a crash or a failure cut off may have reached the volumes up to here, though the checkpoint says less. */
  readonly begun: Lsn;
  readonly verification: Verification;
  /** Of the newest window of compare records; undefined where none came since the copy began, and without one. */
  readonly comparison: CompareAnswer | undefined;
  /** The seed that the copy rests on; undefined: none, everything goes over the link. */
  readonly seed: AwaitedSeed | undefined;
  /** What is to be brought over because this side was the source of another epoch; undefined: nothing is. */
  readonly resync: AwaitedResync | undefined;
  /**
   * This side was the source up to this record of an epoch that is left: what its hosts wrote that no longer counts is still to be
   * kept aside, where there is a `resync` for that, and its snapshots behind the fork point are still to be noted as apart.
   */
  readonly divergence: Divergence | undefined;
  /** The last record of its hosts in the epoch is applied: once it is consistent this side is the source of this one. */
  readonly handover: EpochIdentity | undefined;
}

/**
 * `begun`: the copy that brings it has begun; when it ends the volumes are consistent.
 * `anew`: it brings all that they are to hold, and data before it is passed over. The journal is yet to begin `anywhere`, with
 * whichever segment comes first, because what came before may be kept no longer; or it is `joined`.
 */
export interface AwaitedResync {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly begun: boolean;
  readonly anew?: 'anywhere' | 'joined' | undefined;
}

/** Nothing that comes is of use to the volumes before the copy that is asked for. */
export function awaitsAll({ resync }: DestinationState): boolean {
  return resync?.anew !== undefined && !resync.begun;
}

/** Nothing is applied before a marker's program has ended, or a seed has come. */
export function isHeldUp({ pending, seed }: Pick<DestinationState, 'pending' | 'seed'>): boolean {
  return pending !== undefined || seed?.state === 'awaited';
}

/** Records up to here may be in the volumes in part: what was to apply them was cut off. Undefined: none are. */
export function aheadTo({ begun, applied }: DestinationState): Lsn | undefined {
  return begun > applied ? begun : undefined;
}

export const DESTINATION_START: DestinationState = {
  groupId: '',
  epoch: undefined,
  applied: LSN_NONE,
  digest: DIGEST_START,
  appliedTime: 0,
  volumes: [],
  consistent: false,
  pending: undefined,
  background: [],
  statusSequence: 0,
  begun: LSN_NONE,
  verification: VERIFICATION_START,
  comparison: undefined,
  seed: undefined,
  resync: undefined,
  divergence: undefined,
  handover: undefined,
};

/** The marker changed wherever it stands; undefined: it is done with. */
export function withMarker(
  state: DestinationState,
  id: string,
  change: (marker: PendingMarker) => PendingMarker | undefined,
): DestinationState {
  const changed = (marker: PendingMarker): PendingMarker | undefined =>
    marker.id === id ? change(marker) : marker;
  const background = state.background.flatMap((marker) => changed(marker) ?? []);
  return { ...state, pending: state.pending && changed(state.pending), background };
}

const FILE = 'destination-state.json';
const count = z.number().int().nonnegative();
const lsnSchema = count.transform((value) => value as Lsn);
const id = z.string().regex(/^[0-9a-f]{32}$/);

const marker = z.strictObject({
  id,
  kind: z.enum(['snapshot', 'custom']),
  name: z.string().max(255),
  lsn: lsnSchema,
  time: count,
  attempt: count,
  failures: count.default(0),
});

const schema = z.strictObject({
  version: z.literal(1),
  groupId: z.union([id, z.literal('')]),
  epoch: epochSchema.optional(),
  applied: lsnSchema,
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  appliedTime: count,
  volumes: attachedVolumesSchema,
  consistent: z.boolean(),
  pending: marker.optional(),
  background: z.array(marker).max(BACKGROUND_MAX).default([]),
  statusSequence: count,
  begun: lsnSchema.default(LSN_NONE),
  verification: verificationSchema.default(() => ({ ...VERIFICATION_START, differing: [] })),
  comparison: compareAnswerSchema.optional(),
  seed: z.strictObject({ id, state: z.enum(['awaited', 'imported', 'given-up']) }).optional(),
  resync: z
    .strictObject({ id, begun: z.boolean(), anew: z.enum(['anywhere', 'joined']).optional() })
    .optional(),
  divergence: divergenceSchema.optional(),
  handover: epochSchema.optional(),
});

/** @throws OperatorError `STATE_DAMAGED` */
export function readDestinationState(files: Files, folder: string): DestinationState {
  const path = join(folder, FILE);
  const bytes = readTwoCopies(files, path);
  if (bytes === undefined) return DESTINATION_START;
  try {
    const state = schema.parse(JSON.parse(bytes.toString('utf8')));
    return { ...DESTINATION_START, ...state };
  } catch (error) {
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'restore it from a backup, or move the group folder and volumes away to begin again with a full copy',
      cause: error,
    });
  }
}

export function writeDestinationState(files: Files, folder: string, state: DestinationState): void {
  const content = `${JSON.stringify({ version: 1, ...state }, undefined, 2)}\n`;
  writeTwoCopies(files, join(folder, FILE), Buffer.from(content, 'utf8'));
}

/** The status sequence number of a time: a microsecond each, for no destination starts or speaks as often as that. */
export function sequenceAt(time: number): number {
  const sequence = Math.floor(time * 1000);
  // A clock that is centuries ahead must not use up what a number can hold.
  return sequence < 2 ** 52 ? sequence : 0;
}
