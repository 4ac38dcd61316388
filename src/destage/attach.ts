/** Takes attach and resize records: which volumes the stream has, how large they are, and whether this side has a place for each. */
import { z } from 'zod';
import { VOLUMES_PER_GROUP_MAX, type AttachedVolume, type VolumeIndex } from '../journal/ids.ts';
import type { JournalRecord } from '../journal/record.ts';
import { errorCode, OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { shortList, whyInvalid } from '../platform/invalid.ts';
import { makeImage } from '../volume/image-file.ts';

const SECTOR = 512;
const volume = z.object({
  index: z
    .number()
    .int()
    .min(0)
    .max(VOLUMES_PER_GROUP_MAX - 1)
    .transform((value) => value as VolumeIndex),
  name: z.string().min(1).max(63),
  size: z.number().int().nonnegative().multipleOf(SECTOR),
});
const attachSchema = z.object({
  volumes: shortList(volume, VOLUMES_PER_GROUP_MAX).refine(
    (volumes) =>
      volumes.length > 0 &&
      [volumes.map(({ index }) => index), volumes.map(({ name }) => name)].every(
        (list) => new Set<unknown>(list).size === list.length,
      ),
    'no volume, or two of one number or name',
  ),
});

/**
 * @param paths volume name → where it is kept here, by the configuration
 * @param before what was attached until now: what is new may be made, what was there must be there
 * @throws OperatorError `VOLUME_UNKNOWN` the configuration has no place for it; `VOLUME_TOO_SMALL` the place is too small;
 *   `ATTACH_INVALID` the record makes no sense
 */
export function attach(
  files: Files,
  record: JournalRecord,
  paths: ReadonlyMap<string, string>,
  before: readonly AttachedVolume[],
): AttachedVolume[] {
  const volumes = decode(record);
  for (const volume of volumes) {
    const path = paths.get(volume.name);
    if (path === undefined) throw volumeUnknown(volume.name);
    prepare(files, path, volume, before.find((candidate) => candidate.name === volume.name)?.size);
  }
  return volumes;
}

/**
 * The volumes from a resize record on; undefined when it makes no sense, as none ever shrinks.
 * @throws OperatorError `VOLUME_TOO_SMALL`, `VOLUME_UNKNOWN`, `VOLUME_OFFLINE`, and the file system's errors
 */
export function resize(
  files: Files,
  { volume: index, offset: size }: JournalRecord,
  paths: ReadonlyMap<string, string>,
  before: readonly AttachedVolume[],
): readonly AttachedVolume[] | undefined {
  const volume = before.find((candidate) => candidate.index === index);
  if (volume === undefined || size % SECTOR !== 0 || size < volume.size) return undefined;
  const path = paths.get(volume.name);
  if (path === undefined) throw volumeUnknown(volume.name);
  const grown = { ...volume, size };
  prepare(files, path, grown, volume.size);
  return before.map((candidate) => (candidate === volume ? grown : candidate));
}

function decode(record: JournalRecord): AttachedVolume[] {
  try {
    return attachSchema.parse(JSON.parse(record.payload.toString('utf8'))).volumes;
  } catch (cause) {
    throw new OperatorError(
      'ATTACH_INVALID',
      `record ${record.lsn} names no volumes that can be: ${whyInvalid(cause)}`,
      {
        remedy:
          'find out who can write to the file server; if nobody else does, report it as an error in blockferry',
        cause,
      },
    );
  }
}

export function volumeUnknown(name: string): OperatorError {
  return new OperatorError(
    'VOLUME_UNKNOWN',
    `the source sends volume ${name}, which is not configured here`,
    {
      remedy: 'add it under volumes of this group and restart blockferry',
    },
  );
}

/** `known`: its size when it was attached before. */
function prepare(files: Files, path: string, volume: AttachedVolume, known: number | undefined): void {
  const stat = files.stat(path);
  if (stat === undefined && known !== undefined) {
    throw new OperatorError('VOLUME_OFFLINE', `volume ${volume.name} (${path}) is not there`, {
      remedy: 'make it available again; work on it resumes by itself',
      retryable: true,
    });
  }
  if (stat !== undefined && stat.size >= volume.size) {
    // Made by an attempt that failed half way, maybe.
    if (known !== volume.size && stat.kind === 'file') makeImage(files, path, stat.size);
    return;
  }
  // A file that we made, or one that holds nothing yet, may be given its size; nobody else's data is touched.
  const ours =
    stat === undefined ||
    (stat.kind === 'file' && (stat.size === 0 || (known !== undefined && stat.size >= known)));
  if (!ours) throw tooSmall(volume, path, stat.size);
  try {
    makeImage(files, path, volume.size);
  } catch (error) {
    // The file system has no files as large as that.
    if (errorCode(error) !== 'EFBIG') throw error;
    throw tooSmall(volume, path, stat?.size ?? 0, error);
  }
}

function tooSmall(volume: AttachedVolume, path: string, size: number, cause?: unknown): OperatorError {
  const message = `volume ${volume.name} (${path}) has ${size} bytes; the source's has ${volume.size}`;
  return new OperatorError('VOLUME_TOO_SMALL', message, {
    remedy:
      'give it at least the size of the source volume; what was received waits, and is applied by itself then',
    retryable: true,
    cause,
  });
}
