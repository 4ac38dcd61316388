/**
 * Writes what the change map has marked into seed files, to be carried to the destinations by hand.
 *
 * What is read lies behind the init-begin record that names the seed, and is durable (I2): the journal that follows that
 * record puts right whatever hosts write meanwhile. A region is marked no more once the file that has it is durable on its
 * drive; what was left out of the replication files since it was read is marked again.
 *
 * A crash, or a drive that goes away, may leave a file of which nobody knows whether it got its name. Its number is given up:
 * its regions stay marked and go over the link, so that it does not matter whether it is imported.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import type { EpochIdentity, GroupIdentity, VolumeIndex } from '../journal/ids.ts';
import { parseInitBegin } from '../journal/init-begin.ts';
import { PART_SUFFIX } from '../journal/names.ts';
import { RecordKind, type JournalRecord } from '../journal/record.ts';
import { RegionBits, regionCount, regionSizeOf } from '../journal/region-bits.ts';
import {
  readManifest,
  seedFileName,
  SEED_SKIPPED_MAX,
  writeManifest,
  type SeedFileEntry,
} from '../journal/seed/manifest.ts';
import {
  isSeedFileFull,
  SEED_FILES_MAX,
  seedFileEnd,
  seedWriter,
  type SeedFileFacts,
} from '../journal/seed/seed-file.ts';
import type { SegmentOptions } from '../journal/segment/writer.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import { isNoRoom } from '../platform/reserve.ts';
import type { VolumeSet } from '../volume/volume-set.ts';
import type { ChangeMap } from './change-map.ts';
import { SeedSink } from './seed-sink.ts';
import {
  readSeedState,
  removeSeedState,
  writeSeedState,
  type SeedPlace,
  type SeedState,
} from './seed-state.ts';

const MIB = 1024 * 1024;
/** Bytes of data, and looks at the volumes, of one step: sealing and destaging wait that long at most. */
const STEP_BYTES = 4 * MIB;
const STEP_LOOKS = 64;
/** Bytes of data that are read at once, and of a hole that one record says. */
const PIECE = MIB;
const HOLE_MAX = 1024 * MIB;
/** Bytes between two syncs: one of a whole file on a slow drive would hold up the thread. */
const SYNC_INTERVAL = 8 * MIB;
/** Left free on a drive, for its manifest and its file system's own bookkeeping. */
const DRIVE_MARGIN = MIB;
/** A file is not begun with less. */
const DRIVE_ROOM_MIN = 8 * MIB;

/**
 * `not-yet`: what was taken is not all in the volumes. `drive-full`: the next step is to go to another folder. `complete`:
 * all is on drives.
 */
export type SeedStep = 'not-yet' | 'more' | 'drive-full' | 'complete';

export interface SeedExportOptions extends SegmentOptions {
  /** The group's folder. */
  readonly folder: string;
  readonly group: GroupIdentity;
  readonly epoch: EpochIdentity;
  readonly volumes: readonly { readonly index: VolumeIndex; readonly size: number }[];
  readonly content: VolumeSet;
  readonly map: ChangeMap;
}

interface OpenSeedFile {
  readonly folder: string;
  readonly path: string;
  readonly file: OpenFile;
  readonly hash: Hash;
  readonly sink: SeedSink;
  readonly facts: SeedFileFacts;
  readonly from: SeedPlace;
  synced: number;
}

export class SeedExport {
  readonly #files: Files;
  readonly #options: SeedExportOptions;
  #state: SeedState | undefined;
  #open: OpenSeedFile | undefined;
  /** Behind the state's while a file is being written. */
  #place: SeedPlace = { volume: 0, offset: 0 };
  /** What was left out of the replication files since the open file was begun. */
  readonly #again = new Map<VolumeIndex, RegionBits>();

  /** Goes on with what the group's folder says. @throws OperatorError `STATE_DAMAGED` */
  constructor(files: Files, options: SeedExportOptions) {
    this.#files = files;
    this.#options = options;
    this.#state = readSeedState(files, options.folder);
    if (this.#state?.finishing !== undefined) this.#giveUp(this.#state, this.#state.finishing);
  }

  get state(): SeedState | undefined {
    return this.#state;
  }

  /** Of the file that is being written; undefined: there is none. */
  get place(): SeedPlace | undefined {
    return this.#open === undefined ? undefined : this.#place;
  }

  /** Everything is to be carried over, in place of an older seed; durable on return. The caller has marked it. */
  begin(seed: string, fileSize: number): void {
    this.#abandon();
    this.#move({
      ...{ seed, fileSize, begun: undefined, place: { volume: 0, offset: 0 }, files: 0, bytes: 0 },
      ...{ finishing: undefined, skipped: [], complete: false },
    });
  }

  /** No seed is under way; durable on return. */
  drop(): void {
    this.#abandon();
    if (this.#state !== undefined) removeSeedState(this.#files, this.#options.folder);
    this.#state = undefined;
  }

  /** What is written and has no name yet is gone. */
  close(): void {
    this.#abandon();
  }

  /** These were sealed, `leftOut` of them into no replication file. */
  sealed(records: readonly JournalRecord[], leftOut: readonly JournalRecord[]): void {
    const state = this.#state;
    if (state === undefined) return;
    if (state.begun === undefined) {
      const begin = records.find(
        (record) => record.kind === RecordKind.initBegin && parseInitBegin(record).seed === state.seed,
      );
      if (begin !== undefined) this.#move({ ...state, begun: begin.lsn });
    }
    for (const { kind, volume, offset, length } of leftOut)
      if (kind === RecordKind.write || kind === RecordKind.zero) this.#mark(volume, offset, offset + length);
  }

  /**
   * Goes on with the export, into this folder. All that was sealed must be in the volumes.
   * @throws OperatorError `VOLUME_OFFLINE`, `VOLUME_UNREADABLE`, `SEED_TOO_LONG`, `SEED_MANIFEST_INVALID`; the drive's
   * errors. What was not finished is gone, and the next call begins that file anew
   */
  step(folder: string): SeedStep {
    const state = this.#state;
    if (state?.begun === undefined) return 'not-yet';
    if (state.complete) return 'complete';
    if (this.#open !== undefined && this.#open.folder !== folder) this.#abandon();
    try {
      if (this.#open === undefined && this.#files.freeSpace(folder) < DRIVE_ROOM_MIN) return 'drive-full';
      this.#open ??= this.#beginFile(folder, state);
      return this.#fill(this.#open);
    } catch (error) {
      this.#abandon();
      const finishing = this.#state?.finishing;
      if (finishing !== undefined) this.#giveUp(this.#state ?? state, finishing);
      if (isNoRoom(error)) return 'drive-full';
      throw error;
    }
  }

  #beginFile(folder: string, state: SeedState): OpenSeedFile {
    const { group, epoch, random, key } = this.#options;
    assert(state.begun !== undefined, 'a seed begins behind its init-begin record');
    if (state.files >= SEED_FILES_MAX) throw tooLong(`a seed has ${SEED_FILES_MAX} files at most`);
    if (state.skipped.length >= SEED_SKIPPED_MAX)
      throw tooLong(`${SEED_SKIPPED_MAX} of its files were cut off at their very end`);
    const facts = { group, epoch, seed: state.seed, number: state.files + 1, begun: state.begun };
    const path = join(folder, seedFileName(group.name, facts.seed, facts.number));
    // A manifest that the file could not be added to is found out before the file is given up for it.
    readManifest(this.#files, folder, { group: group.name, seed: facts.seed, key });
    this.#files.remove(path + PART_SUFFIX);
    const file = this.#files.open(path + PART_SUFFIX, 'create-new');
    const hash = createHash('sha256');
    const hashed = {
      write(from: Uint8Array, position: number): void {
        hash.update(from);
        file.write(from, position);
      },
    };
    this.#again.clear();
    this.#place = state.place;
    try {
      const recordSeed = random.bytes(4).readUInt32BE();
      const writer = seedWriter(hashed, facts, recordSeed, this.#options);
      const sink = new SeedSink(writer, recordSeed, state.begun);
      return { folder, path, file, hash, sink, facts, from: state.place, synced: 0 };
    } catch (error) {
      file.close();
      this.#files.remove(path + PART_SUFFIX);
      throw error;
    }
  }

  #fill(open: OpenSeedFile): SeedStep {
    const before = open.sink.dataBytes;
    for (let looks = 0; looks < STEP_LOOKS && open.sink.dataBytes - before < STEP_BYTES; looks += 1) {
      const { writer } = open.sink;
      if (this.#files.freeSpace(open.folder) < seedFileEnd(writer) + DRIVE_MARGIN) {
        if (open.sink.records === 0) this.#abandon();
        else this.#finish(open, false);
        return 'drive-full';
      }
      if (isSeedFileFull(writer, this.#state?.fileSize ?? 0)) {
        this.#finish(open, false);
        return 'more';
      }
      if (!this.#copyNext(open)) {
        this.#finish(open, true);
        return 'complete';
      }
    }
    if (open.sink.writer.bytes - open.synced >= SYNC_INTERVAL) {
      open.file.syncNow();
      open.synced = open.sink.writer.bytes;
    }
    return 'more';
  }

  /** False when nothing marked is left. */
  #copyNext(open: OpenSeedFile): boolean {
    const { volumes, map, content } = this.#options;
    const volume = volumes[this.#place.volume];
    if (volume === undefined) return false;
    const marked = map.next(volume.index, this.#place.offset, HOLE_MAX);
    if (marked === undefined) {
      this.#place = { volume: this.#place.volume + 1, offset: 0 };
      return true;
    }
    const { start } = marked;
    const end = content.look(volume.index, (file) => {
      const data = file.nextData(start);
      const whole = wholeRegions(Math.min(marked.end, data?.start ?? marked.end), volume.size);
      if (whole > start) {
        open.sink.zero(volume.index, { start, end: whole });
        return whole;
      }
      const piece = Math.min(marked.end, start + PIECE);
      const stop = wholeRegions(piece, volume.size) > start ? wholeRegions(piece, volume.size) : piece;
      open.sink.content(volume.index, file, { start, end: stop });
      return stop;
    });
    this.#place = { volume: this.#place.volume, offset: end };
    return true;
  }

  #finish(open: OpenSeedFile, complete: boolean): void {
    const { group, epoch, key, folder } = this.#options;
    const state = this.#state;
    assert(state !== undefined, 'a seed is under way');
    const { fileBytes } = open.sink.writer.finish(open.sink.dataBytes);
    open.file.syncNow();
    open.file.close();
    this.#open = undefined;
    const to = this.#place;
    this.#move({ ...state, finishing: to });
    const { number, seed, begun } = open.facts;
    this.#files.rename(open.path + PART_SUFFIX, open.path);
    const before = readManifest(this.#files, open.folder, { group: group.name, seed, key });
    const entry: SeedFileEntry = { number, bytes: fileBytes, sha256: open.hash.digest('hex') };
    const list = [...(before?.files ?? []).filter((file) => file.number !== number), entry];
    const end = complete ? { total: number, skipped: state.skipped } : undefined;
    writeManifest(this.#files, open.folder, { group, epoch, seed, begun, files: list, end }, key);
    const bytes = state.bytes + fileBytes;
    const done = { ...state, place: to, files: number, bytes, finishing: undefined, complete };
    writeSeedState(this.#files, folder, done);
    this.#state = done;
    this.#clear(open.from, to);
  }

  /** They are on a drive, durably. */
  #clear(from: SeedPlace, to: SeedPlace): void {
    const { volumes, map } = this.#options;
    for (const [at, { index, size }] of volumes.entries()) {
      if (at < from.volume || at > to.volume) continue;
      map.clear(index, at === from.volume ? from.offset : 0, at === to.volume ? to.offset : size);
    }
    for (const { index, size } of volumes) {
      const [again, regionSize] = [this.#again.get(index), regionSizeOf(size)];
      const count = regionCount(size, regionSize);
      for (let at = again?.next(0, true) ?? count; at < count; at = again?.next(at + 1, true) ?? count)
        map.mark(index, at * regionSize, (at + 1) * regionSize);
    }
    this.#again.clear();
    map.sync();
  }

  #mark(index: VolumeIndex, start: number, end: number): void {
    const size = this.#options.volumes.find((volume) => volume.index === index)?.size;
    if (size === undefined || this.#open === undefined) return;
    const regionSize = regionSizeOf(size);
    const count = regionCount(size, regionSize);
    let bits = this.#again.get(index);
    if (bits === undefined) {
      bits = new RegionBits(new Uint8Array(Math.ceil(count / 8)), count);
      this.#again.set(index, bits);
    }
    const last = Math.min(count, Math.ceil(end / regionSize));
    for (let region = Math.floor(start / regionSize); region < last; region += 1) bits.set(region, true);
  }

  /** Its regions stay marked. */
  #giveUp(state: SeedState, finishing: SeedPlace): void {
    const files = state.files + 1;
    const skipped = [...state.skipped, files];
    this.#move({ ...state, place: finishing, files, skipped, finishing: undefined });
  }

  #abandon(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    try {
      open.file.close();
      this.#files.remove(open.path + PART_SUFFIX);
    } catch {
      // The drive is away, say: the next file there is begun anew, and what has no name is never imported.
    }
  }

  #move(state: SeedState): void {
    writeSeedState(this.#files, this.#options.folder, state);
    this.#state = state;
  }
}

/** Whole regions are cleared alone, so a file ends where one does. */
function wholeRegions(end: number, size: number): number {
  const regionSize = regionSizeOf(size);
  return end >= size ? size : Math.floor(end / regionSize) * regionSize;
}

function tooLong(why: string): OperatorError {
  return new OperatorError('SEED_TOO_LONG', `the seed cannot go on: ${why}`, {
    remedy: 'cancel it and begin again, with larger files (--file-size)',
  });
}
