/** Writes a source's replication files. */
import { basename, dirname } from 'node:path';
import type { SegmentEnd } from '../../journal/coalesce-plan.ts';
import type { GroupIdentity } from '../../journal/ids.ts';
import { PART_SUFFIX } from '../../journal/names.ts';
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { SealPlan } from '../../journal/seal.ts';
import { SegmentWriter } from '../../journal/segment/writer.ts';
import type { Files, OpenFile } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import type { SealedFile } from './sealed-file.ts';
import type { SpareFiles } from './spare-files.ts';

export interface SealedPlatform {
  readonly files: Files;
  readonly random: Random;
  /** Of the folder that is written to. */
  readonly spares: SpareFiles;
}

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

/** A replication file that is written and on its way to the medium. */
export class BegunFile {
  readonly #files: Files;
  readonly #spares: SpareFiles;
  readonly #sealed: SealedFile;
  /** Undefined: it has its name since before a crash. */
  readonly #part: OpenFile | undefined;

  constructor(
    { files, spares }: Omit<SealedPlatform, 'random'>,
    sealed: SealedFile,
    part: OpenFile | undefined,
  ) {
    this.#files = files;
    this.#spares = spares;
    this.#sealed = sealed;
    this.#part = part;
  }

  /** Durable under its name on return. @throws the file system's errors; nothing is left behind */
  finish(): SealedFile {
    const { path } = this.#sealed;
    if (this.#part !== undefined) {
      try {
        syncAndClose(this.#part);
        this.#files.rename(this.#part.path, path);
      } catch (error) {
        this.#files.remove(this.#part.path);
        throw error;
      }
    }
    this.#files.syncDirectory(dirname(path));
    this.#spares.synced();
    return this.#sealed;
  }

  /** In place of `finish`: nothing is left behind. */
  drop(): void {
    this.#part?.close();
    if (this.#part !== undefined) this.#files.remove(this.#part.path);
  }
}

/** @throws the file system's errors; nothing is left behind */
export function beginSealed(
  platform: SealedPlatform,
  { group, key, compression }: SealedWriterOptions,
  { plan, raw, end, path }: ToSeal,
): BegunFile {
  const { records, dataBytes, ...facts } = plan;
  const { files, random, spares } = platform;
  const { epoch } = raw.header;
  const range = { epoch: epoch.number, first: plan.first, last: plan.last };
  const sealed = { name: basename(path), path, range, end };
  const before = files.stat(path);
  // Sealed just before a crash, and immutable since (I4).
  if (before !== undefined) return new BegunFile(platform, { ...sealed, bytes: before.size }, undefined);
  const header = { ...facts, group, epoch, recordSeed: raw.header.seed };
  const spare = spares.take();
  const part = spare ?? path + PART_SUFFIX;
  let file: OpenFile | undefined;
  try {
    file = files.open(part, spare === undefined ? 'create-new' : 'write');
    const writer = new SegmentWriter(file, header, { key, compression, random });
    for (const record of records) writer.add(record);
    const { fileBytes } = writer.finish(dataBytes);
    if (file.size() > fileBytes) file.truncate(fileBytes);
    file.startWriting(0, fileBytes);
    return new BegunFile(platform, { ...sealed, bytes: fileBytes }, file);
  } catch (error) {
    file?.close();
    files.remove(part);
    throw error;
  }
}

function syncAndClose(file: OpenFile): void {
  try {
    file.syncNow();
  } finally {
    file.close();
  }
}
