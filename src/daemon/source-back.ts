/**
 * The heavy half of a source group, off the host's thread: seals closed raw segments into replication files and destages
 * them into the source's own volumes. Stateless but for the checkpoint, so that it can die at any moment (I6).
 */
import { join } from 'node:path';
import type { Files } from '../platform/files.ts';
import type { Random } from '../platform/random.ts';
import { assert } from '../platform/errors.ts';
import type { GroupIdentity, Lsn, VolumeIndex } from '../journal/ids.ts';
import { LSN_NONE } from '../journal/ids.ts';
import {
  compareRanges,
  JOURNAL_FOLDER,
  parseSealedName,
  PART_SUFFIX,
  sealedName,
  type SegmentRange,
} from '../journal/names.ts';
import { loadRaw, RawMemory, type ClosedRaw, type LoadedRaw } from '../journal/raw-segment.ts';
import { planSeal, SEAL_START, type SealPlan } from '../journal/seal.ts';
import { readCheckpoint, writeCheckpoint, type SourceCheckpoint } from '../journal/source-files.ts';
import { writeSegment } from '../journal/segment/writer.ts';
import { VolumeSet } from '../volume/volume-set.ts';
import { RAW_SIZE_MAX } from '../capture/recover.ts';

export interface SourceBackOptions {
  readonly folder: string;
  readonly group: GroupIdentity;
  readonly key: Buffer | undefined;
  readonly compression: number;
  readonly dropOverwritten: boolean;
  readonly volumes: readonly {
    readonly index: VolumeIndex;
    readonly name: string;
    readonly path: string;
    readonly size: number;
  }[];
}

/** A sealed segment in the journal folder. */
export interface SealedFile {
  readonly name: string;
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
}

export class SourceBack {
  readonly #files: Files;
  readonly #random: Random;
  readonly #options: SourceBackOptions;
  readonly #journal: string;
  readonly #volumes: VolumeSet;
  readonly #memory = new RawMemory();
  #checkpoint: SourceCheckpoint;
  /** The raw segment last read: sealing and destaging it read it once. */
  #loaded: { readonly path: string; readonly first: Lsn; readonly raw: LoadedRaw } | undefined;

  constructor(files: Files, random: Random, options: SourceBackOptions) {
    this.#files = files;
    this.#random = random;
    this.#options = options;
    this.#journal = join(options.folder, JOURNAL_FOLDER);
    this.#volumes = new VolumeSet(files, options.volumes);
    this.#checkpoint = readCheckpoint(files, options.folder) ?? { ...SEAL_START, applied: LSN_NONE };
  }

  // Every method is asynchronous to its caller, who is in another thread.

  /** How far it got, and the replication files that are there. What was never finished is removed. */
  open(): Promise<{ readonly checkpoint: SourceCheckpoint; readonly sealed: readonly SealedFile[] }> {
    this.#files.makeDirectory(this.#journal);
    const sealed: SealedFile[] = [];
    for (const name of this.#files.list(this.#journal)) {
      const path = join(this.#journal, name);
      const range = parseSealedName(name);
      if (name.endsWith(PART_SUFFIX)) this.#files.remove(path);
      else if (range !== undefined)
        sealed.push({ name, path, range, bytes: this.#files.stat(path)?.size ?? 0 });
    }
    // A killed process may have left names that no power cut was to spare (I2): these are sent.
    if (sealed.length > 0) this.#files.syncDirectory(this.#journal);
    sealed.sort((a, b) => compareRanges(a.range, b.range));
    return Promise.resolve({ checkpoint: this.#checkpoint, sealed });
  }

  /**
   * Seals a raw segment if that was not done before a crash. `ship` false: only the running digest goes on.
   * Durable on return (I2: what is sent is durable here). @throws the file system's errors; nothing is left behind
   */
  seal(raw: ClosedRaw, ship: boolean): Promise<SealedFile | undefined> {
    return Promise.resolve(this.#seal(raw, ship));
  }

  /** Destages a raw segment into the volumes, syncs them, and moves the checkpoint. @throws OperatorError `VOLUME_OFFLINE` */
  apply(raw: ClosedRaw): Promise<SourceCheckpoint> {
    if (raw.last > this.#checkpoint.applied) {
      this.#volumes.apply(this.#load(raw).records, { fromVolume: 'skip' });
      this.#volumes.sync();
      this.#move({ ...this.#checkpoint, applied: raw.last });
    }
    this.#loaded = undefined;
    return Promise.resolve(this.#checkpoint);
  }

  /** Frees a sealed segment (I5: the caller knows that nobody needs it). */
  remove(path: string): Promise<void> {
    this.#files.remove(path);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#volumes.close();
    return Promise.resolve();
  }

  #seal(raw: ClosedRaw, ship: boolean): SealedFile | undefined {
    if (raw.last <= this.#checkpoint.digested) return undefined;
    const options = { ship, dropOverwritten: this.#options.dropOverwritten };
    const { position, segment } = planSeal(this.#load(raw), this.#checkpoint, options);
    const sealed = segment === undefined ? undefined : this.#write(segment, raw);
    this.#move({ ...this.#checkpoint, ...position });
    return sealed;
  }

  #write(plan: SealPlan, raw: ClosedRaw): SealedFile {
    const { records, dataBytes, ...facts } = plan;
    const { epoch } = raw.header;
    const range = { epoch: epoch.number, first: plan.first, last: plan.last };
    const name = sealedName(range);
    const path = join(this.#journal, name);
    const part = path + PART_SUFFIX;
    const before = this.#files.stat(path);
    if (before !== undefined) {
      // Sealed just before a crash, and immutable since (I4).
      this.#files.syncDirectory(this.#journal);
      return { name, path, range, bytes: before.size };
    }
    try {
      const header = { ...facts, group: this.#options.group, epoch, recordSeed: raw.header.seed };
      const { fileBytes } = writeSegment(this.#files, part, header, records, dataBytes, {
        key: this.#options.key,
        compression: this.#options.compression,
        random: this.#random,
      });
      this.#files.rename(part, path);
      this.#files.syncDirectory(this.#journal);
      return { name, path, range, bytes: fileBytes };
    } catch (error) {
      this.#files.remove(part);
      throw error;
    }
  }

  #load(raw: ClosedRaw): LoadedRaw {
    if (this.#loaded?.path !== raw.path || this.#loaded.first !== raw.header.first) {
      const loaded = loadRaw(this.#files, raw.path, RAW_SIZE_MAX, raw.last, this.#memory);
      assert(loaded?.end === raw.end, `${raw.path} does not hold what was journalled`);
      this.#loaded = { path: raw.path, first: raw.header.first, raw: loaded };
    }
    return this.#loaded.raw;
  }

  #move(checkpoint: SourceCheckpoint): void {
    writeCheckpoint(this.#files, this.#options.folder, checkpoint);
    this.#checkpoint = checkpoint;
  }
}
