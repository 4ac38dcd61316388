/**
 * What a source keeps in its group's folder besides the journal: `group.json`, its identity, and `checkpoint.json`, how
 * far the journal has been sealed and destaged. Both change atomically (I6), and also on a full disk (I8).
 */
import { join } from 'node:path';
import { z } from 'zod';
import { OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { shortList, whyInvalid } from '../platform/invalid.ts';
import { readTwoCopies, writeTwoCopies } from '../platform/two-copy-file.ts';
import type { AttachedVolume, Epoch, EpochIdentity, Lsn, VolumeIndex } from './ids.ts';
import { attachedVolumesSchema } from './attached-volumes.ts';
import { VOLUMES_PER_GROUP_MAX } from './ids.ts';
import type { SealPosition } from './seal.ts';

export interface GroupFile {
  readonly id: string;
  readonly epoch: EpochIdentity;
  /** Volumes as the newest attach record has them. */
  readonly volumes: readonly AttachedVolume[];
  /** A volume that is being resized, and the bytes that it is to have: noted before anything else is done. */
  readonly growing?: { readonly index: VolumeIndex; readonly size: number } | undefined;
  /** The newest resync (status.ts) whose regions are marked: every copy since brings them. */
  readonly resync?: string | undefined;
  /** Hosts were let in, maybe: what the volumes hold since counts. */
  readonly served?: true | undefined;
  /** Which files its volumes were at the last start. */
  readonly files?: readonly { readonly name: string; readonly identity: string }[] | undefined;
}

export interface SourceCheckpoint extends SealPosition {
  /** Everything up to here is durable in the source's volumes. */
  readonly applied: Lsn;
}

const GROUP_FILE = 'group.json';
const CHECKPOINT_FILE = 'checkpoint.json';

const count = z.number().int().nonnegative();
const lsnSchema = count.transform((value) => value as Lsn);
const indexSchema = count.max(VOLUMES_PER_GROUP_MAX - 1).transform((value) => value as VolumeIndex);
const id = z.string().regex(/^[0-9a-f]{32}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** 1 knows neither which files the volumes were, nor whether hosts were served. */
const GROUP_VERSION = 2;

const groupSchema = z.strictObject({
  version: z.literal(GROUP_VERSION),
  id,
  epoch: z.strictObject({ number: count.max(0xffffffff).transform((value) => value as Epoch), id }),
  volumes: attachedVolumesSchema,
  growing: z.strictObject({ index: indexSchema, size: count }).optional(),
  resync: id.optional(),
  served: z.literal(true).optional(),
  files: shortList(
    z.strictObject({ name: z.string(), identity: z.string() }),
    VOLUMES_PER_GROUP_MAX,
  ).optional(),
});

/** 1 has no copy's point. */
const CHECKPOINT_VERSION = 2;

const checkpointSchema = z.strictObject({
  version: z.literal(CHECKPOINT_VERSION),
  shipped: lsnSchema,
  shippedDigest: digest,
  digested: lsnSchema,
  digest,
  clock: count,
  copyBegun: lsnSchema,
  copyEnded: lsnSchema,
  copyPoint: z.object({ lsn: lsnSchema, time: count }).nullable(),
  applied: lsnSchema,
});

export function readGroupFile(files: Files, folder: string): GroupFile | undefined {
  return read(files, join(folder, GROUP_FILE), groupSchema);
}

export function writeGroupFile(files: Files, folder: string, group: GroupFile): void {
  write(files, join(folder, GROUP_FILE), { version: GROUP_VERSION, ...group });
}

export function readCheckpoint(files: Files, folder: string): SourceCheckpoint | undefined {
  return read(files, join(folder, CHECKPOINT_FILE), checkpointSchema);
}

export function writeCheckpoint(files: Files, folder: string, checkpoint: SourceCheckpoint): void {
  write(files, join(folder, CHECKPOINT_FILE), { version: CHECKPOINT_VERSION, ...checkpoint });
}

function write(files: Files, path: string, content: object): void {
  const text = `${JSON.stringify(content, undefined, 2)}\n`;
  writeTwoCopies(files, path, Buffer.from(text, 'utf8'));
}

function read<S extends z.ZodType>(files: Files, path: string, schema: S): z.output<S> | undefined {
  const bytes = readTwoCopies(files, path);
  if (bytes === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new OperatorError('STATE_DAMAGED', `${path} cannot be read: ${whyInvalid(error)}`, {
      remedy:
        'restore the file from a backup, or move the group folder away to begin a new group with a full copy',
      cause: error,
    });
  }
}
