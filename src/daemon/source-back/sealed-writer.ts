/** Writes a source's replication files. */
import { basename, dirname } from 'node:path';
import type { SegmentEnd } from '../../journal/coalesce-plan.ts';
import type { GroupIdentity } from '../../journal/ids.ts';
import { PART_SUFFIX } from '../../journal/names.ts';
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { SealPlan } from '../../journal/seal.ts';
import { writeSegment } from '../../journal/segment/writer.ts';
import type { Files } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import type { SealedFile } from './sealed-file.ts';

export interface SealedWriterOptions {
  readonly group: GroupIdentity;
  readonly key: Buffer | undefined;
  readonly compression: number;
}

/** What is to be sealed, of which raw segment, and under which name. */
export interface ToSeal {
  readonly plan: SealPlan;
  readonly raw: ClosedRaw;
  readonly end: SegmentEnd;
  readonly path: string;
}

/** Durable under its name on return. @throws the file system's errors; nothing is left behind */
export function writeSealed(
  { files, random }: { readonly files: Files; readonly random: Random },
  { group, key, compression }: SealedWriterOptions,
  { plan, raw, end, path }: ToSeal,
): SealedFile {
  const { records, dataBytes, ...facts } = plan;
  const { epoch } = raw.header;
  const range = { epoch: epoch.number, first: plan.first, last: plan.last };
  const [name, part] = [basename(path), path + PART_SUFFIX];
  const before = files.stat(path);
  if (before !== undefined) {
    // Sealed just before a crash, and immutable since (I4).
    files.syncDirectory(dirname(path));
    return { name, path, range, bytes: before.size, end };
  }
  try {
    const header = { ...facts, group, epoch, recordSeed: raw.header.seed };
    const how = { key, compression, random };
    const { fileBytes } = writeSegment(files, part, header, records, dataBytes, how);
    files.rename(part, path);
    files.syncDirectory(dirname(path));
    return { name, path, range, bytes: fileBytes, end };
  } catch (error) {
    files.remove(part);
    throw error;
  }
}
