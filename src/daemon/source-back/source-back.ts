/**
 * The heavy half of a source group, off the host's thread: seals closed raw segments into replication files and destages
 * them into the source's own volumes. Stateless but for the checkpoint, so that it can die at any moment (I6).
 */
import { join } from 'node:path';
import type { Files } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import { assert } from '../../platform/errors.ts';
import { WrittenState } from '../../platform/written-state.ts';
import type { Lsn, VolumeIndex } from '../../journal/ids.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import { LSN_NONE } from '../../journal/ids.ts';
import { JOURNAL_FOLDER } from '../../journal/names.ts';
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import { isShippedToEnd, SEAL_START } from '../../journal/seal.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { readCheckpoint, writeCheckpoint, type SourceCheckpoint } from '../../journal/source-files.ts';
import type { Resync } from '../../journal/status.ts';
import { VolumeSet, type VolumeRange } from '../../volume/volume-set.ts';
import { ChangeMap, type MarkedVolume } from '../../capture/change-map.ts';
import { ChangeTracker } from '../../capture/change-tracker.ts';
import type { EqualRange } from '../../capture/comparing-copy.ts';
import { readComparing, writeComparing } from '../../capture/comparing-state.ts';
import type { MediumChange } from '../../capture/medium-changes.ts';
import { MediumWatch, type MediumRange, type MediumReport } from '../../capture/medium-watch.ts';
import { SeedExport } from '../../capture/seed-export.ts';
import { withMapRoom } from './map-room.ts';
import { markDiverged, markWanted, type Diverged, type Parting } from './diverged.ts';
import { Merger, type MergeStep } from './merger.ts';
import { PointSnapshot, type PointBatch, type PointSnapshotOptions } from './point-snapshot.ts';
import { LastRaw } from './last-raw.ts';
import { destageRotten } from './rotten-raws.ts';
import { findSealed, type SealedFile } from './sealed-file.ts';
import { sealSome } from './sealing.ts';
import { SpareFiles } from './spare-files.ts';
import { forgetKept } from './kept-store.ts';
import type {
  ApplyResult,
  OpenedBack,
  SealResult,
  SeedProgress,
  SourceBackOptions,
  ToBring,
} from './source-back-facts.ts';
import type { SourceSnapshots } from './source-snapshots.ts';

/** The stores of what the volumes held at a point, which only a source that replicates on an interval has. */
export type PointStores = Pick<PointSnapshotOptions, 'log' | 'hasStore' | 'openStore'>;

export class SourceBack {
  readonly #files: Files;
  readonly #random: Random;
  readonly #options: SourceBackOptions;
  readonly #journal: string;
  readonly #volumes: VolumeSet;
  readonly #merger: Merger;
  readonly #spares: SpareFiles;
  #medium: MediumWatch;
  readonly #point: PointSnapshot;
  readonly #own: SourceSnapshots | undefined;
  /** At the point that is to be cut. */
  #marked: readonly MarkedVolume[] = [];
  #map: ChangeMap | undefined;
  #comparing: boolean;
  readonly #isNew: boolean;
  #tracker: ChangeTracker | undefined;
  #seed: SeedExport | undefined;
  readonly #written: WrittenState<SourceCheckpoint>;
  readonly #raw: LastRaw;

  /** `own`: its snapshots; undefined: it keeps none. */
  constructor(
    files: Files,
    random: Random,
    options: SourceBackOptions,
    stores: PointStores,
    own: SourceSnapshots | undefined,
  ) {
    this.#files = files;
    this.#random = random;
    this.#raw = new LastRaw(files);
    this.#options = options;
    this.#journal = join(options.folder, JOURNAL_FOLDER);
    this.#volumes = new VolumeSet(files, options.volumes);
    this.#comparing = readComparing(files, options.folder);
    this.#medium = new MediumWatch(files, options.folder, options.volumes);
    const { key, compression } = options;
    this.#merger = new Merger(files, options.folder, { key, compression, random });
    this.#spares = new SpareFiles(files);
    this.#point = new PointSnapshot({ random, volumes: options.volumes, ...stores });
    this.#own = own;
    const known = readCheckpoint(files, options.folder);
    this.#isNew = known === undefined;
    const checkpoint = known ?? { ...SEAL_START, applied: LSN_NONE };
    this.#written = new WrittenState(checkpoint, (moved) => writeCheckpoint(files, options.folder, moved));
  }

  // Every method is asynchronous to its caller, who is in another thread.

  /**
   * How far it got, and the replication files that are there. What was never finished is removed.
   * @throws OperatorError `CHANGE_MAP_NO_ROOM`, `JOURNAL_DAMAGED`, and the file system's errors
   */
  open(): Promise<OpenedBack> {
    this.#files.makeDirectory(this.#journal);
    if (this.#own === undefined) forgetKept(this.#files, this.#options.folder);
    else this.#own.open();
    const sealed = findSealed(this.#files, this.#options.folder);
    const checkpoint = this.#checkpoint;
    const apply = (records: readonly JournalRecord[]): void => this.#destage(records, 'apply');
    const applied = destageRotten(this.#files, { ...this.#options, checkpoint, sealed, apply });
    if (applied > checkpoint.applied) this.#move({ ...checkpoint, applied });
    this.#map?.close();
    this.#map = withMapRoom(this.#options, () =>
      ChangeMap.open(this.#files, this.#options.folder, this.#options.volumes),
    );
    this.#tracker = new ChangeTracker(this.#map, this.#options.resync);
    this.#medium.open();
    this.#point.removeLeftovers();
    const seeding = { ...this.#options, random: this.#random, content: this.#volumes, map: this.#map };
    this.#seed?.close();
    this.#seed = new SeedExport(this.#files, seeding);
    if (this.#isNew && this.#options.initialCopy === 'compare') this.#setComparing(true);
    const { unreadable } = this.#map;
    const facts = { sealed, unreadable, medium: this.#medium.report, snapshots: this.#own?.count ?? 0 };
    return Promise.resolve({ checkpoint: this.#checkpoint, ...facts, ...this.#toBring });
  }

  /**
   * Seals the first of these raw segments, if that was not done before a crash, and with it those behind it that `sealSome`
   * can. `ship` false: the running digest goes on, and what the segment changes is marked in the change map. Durable on return
   * (I2: what is sent is durable here, and so is what is marked).
   * @throws the file system's errors; nothing is left behind
   */
  seal(raws: readonly ClosedRaw[], ship: boolean): Promise<SealResult> {
    const sealed = this.#seal(raws, ship);
    return Promise.resolve({ ...sealed, checkpoint: this.#checkpoint, ...this.#toBring });
  }

  /** What is marked now. */
  marked(): Promise<readonly MarkedVolume[]> {
    return Promise.resolve(this.#opened.map.snapshot());
  }

  /**
   * Everything is to be brought over, again, over the link, and no seed any more; `comparing`: what differs of it. Durable on
   * return. @throws the file system's errors
   */
  markAll(comparing: boolean): Promise<ToBring> {
    const { map, seed } = this.#opened;
    map.markAll();
    map.sync();
    seed.drop();
    this.#setComparing(comparing);
    return Promise.resolve(this.#toBring);
  }

  /** Nothing is left to compare; durable on return. @throws the file system's errors */
  endComparing(): Promise<void> {
    this.#setComparing(false);
    return Promise.resolve();
  }

  /**
   * All destinations hold there what the source did at a record from `since` on: that is marked no more, durably on return.
   * Undefined, and nothing is done: what hosts wrote was left out since. @throws the file system's errors
   */
  markEqual(ranges: readonly EqualRange[], since: Lsn): Promise<number | undefined> {
    const { map, tracker } = this.#opened;
    const { copyBegun } = this.#checkpoint;
    if (!isShippedToEnd(this.#checkpoint) || copyBegun > since) return Promise.resolve(undefined);
    for (const { volume, start, end } of ranges) tracker.equal(volume, start, end);
    map.sync();
    return Promise.resolve(map.marked);
  }

  /**
   * These are to be brought over, too; `comparing`: what differs of all that is. Durable on return. @throws RangeError they are no volume's; the file system's errors
   */
  markWanted(wanted: Resync, comparing: boolean): Promise<ToBring> {
    const { map, tracker } = this.#opened;
    markWanted(map, wanted, (index) => this.#volumes.sizeOf(index));
    tracker.wanted(wanted.id);
    if (comparing) this.#setComparing(true);
    return Promise.resolve(this.#toBring);
  }

  /** The point of the next copy is sealed, and nothing behind it: what is marked from here on stays so. Bytes that are marked. */
  markPoint(): Promise<number> {
    const { map, tracker } = this.#opened;
    this.#marked = tracker.beginPoint();
    return Promise.resolve(map.marked);
  }

  /** The point is destaged, and nothing behind it: what the volumes hold of what was marked is kept. @throws why it cannot be */
  cutPoint(point: CopyPoint): Promise<void> {
    assert(this.applied === point.lsn, `the volumes are not at ${point.lsn}`);
    this.#point.cut(point, this.#marked);
    return Promise.resolve();
  }

  /** What was kept, in order. @throws as `PointSnapshot.read` does */
  readPoint(): Promise<PointBatch> {
    return Promise.resolve(this.#point.read());
  }

  /** All of it was read. */
  dropPoint(): Promise<void> {
    this.#point.discard();
    return Promise.resolve();
  }

  /** All of it is sealed, or it is given up: what is shipped clears what is marked no more. */
  endPoint(): Promise<void> {
    this.#point.discard();
    this.#opened.tracker.endPoint();
    return Promise.resolve();
  }

  /** Everything is to be carried over by this seed; durable on return. @throws the file system's errors */
  async beginSeed(id: string, fileSize: number): Promise<ToBring> {
    // Without the seed, as after a crash in between, it goes over the link.
    await this.markAll(false);
    this.#opened.seed.begin(id, fileSize);
    return this.#toBring;
  }

  /** Goes on with the export, into this folder. @throws as `SeedExport.step` */
  stepSeed(folder: string): Promise<SeedProgress> {
    const { map, seed } = this.#opened;
    // A region that was marked for what is not in the volumes yet must stay so.
    const step = this.applied < this.#checkpoint.digested ? 'not-yet' : seed.step(folder);
    return Promise.resolve({ step, seed: seed.state, place: seed.place, marked: map.marked });
  }

  /**
   * What hosts wrote behind the fork point is marked, durably. Nothing may be left to be sealed.
   * @throws as `markDiverged` does
   */
  markDiverged(parting: Parting): Promise<Diverged> {
    const options = { ...this.#options, checkpoint: this.#checkpoint };
    return Promise.resolve(markDiverged(this.#files, this.#opened.map, parting, options));
  }

  /** Destages a raw segment into the volumes, syncs them, and moves the checkpoint. @throws OperatorError `VOLUME_OFFLINE` */
  apply(raw: ClosedRaw): Promise<ApplyResult> {
    if (raw.last > this.#checkpoint.applied) {
      // Applying again goes through older states of the volumes: a crash there must not find that more is applied (I2).
      this.#written.settle();
      const { records } = this.#raw.load(raw);
      this.#destage(records, 'skip');
      // Before the checkpoint: what is known of a range must not outlast what overwrote it.
      this.#medium.apply(records);
      this.#move({ ...this.#checkpoint, applied: raw.last });
    }
    this.#raw.forget();
    const [checkpoint, snapshots] = [this.#checkpoint, this.#own?.count ?? 0];
    return Promise.resolve({ checkpoint, medium: this.#medium.report, snapshots });
  }

  /** Since when a range is known to be what it is, and up to which record. @throws the file system's errors */
  known(range: MediumRange): Promise<{ readonly first: Lsn; readonly newest: Lsn } | undefined> {
    return Promise.resolve(this.#medium.known(range));
  }

  /** What the volumes hold is right where a record up to this one told that no host wrote it. Durable on return. @throws the file system's errors */
  acceptMedium(
    upTo: Lsn,
  ): Promise<{ readonly accepted: readonly MediumChange[]; readonly medium: MediumReport }> {
    const accepted = this.#medium.accept(upTo);
    return Promise.resolve({ accepted, medium: this.#medium.report });
  }

  /**
   * The volume's file has at least so many bytes, durably; an image file is made as long. Returns where what it held before
   * behind `from` ends: that is to be zeroed. @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC`
   */
  extend(index: VolumeIndex, size: number): Promise<number> {
    return Promise.resolve(Math.min(size, this.#volumes.extend(index, size)));
  }

  /** Part of the range reads as zeros, durably; returns where the rest begins. @throws OperatorError `VOLUME_OFFLINE`, `ENOSPC` */
  clear(index: VolumeIndex, start: number, end: number): Promise<number> {
    return Promise.resolve(this.#volumes.clear(index, start, end));
  }

  /** The volume has so many bytes from now on, and of what is new nothing is marked. @throws OperatorError `CHANGE_MAP_NO_ROOM`, and the file system's errors */
  grow(index: VolumeIndex, size: number): Promise<void> {
    const { map, seed } = this.#opened;
    withMapRoom(this.#options, () => map.grow(index, size));
    this.#volumes.resize(index, size);
    // What is known of the volumes' pieces lies where their sizes put it: nothing is known any more.
    const sized = this.#options.volumes.map((volume) => ({
      ...volume,
      size: this.#volumes.sizeOf(volume.index),
    }));
    this.#own?.resized(sized);
    const medium = new MediumWatch(this.#files, this.#options.folder, sized);
    medium.open();
    this.#medium.close();
    this.#medium = medium;
    seed.close();
    const seeding = { ...this.#options, volumes: sized, random: this.#random, content: this.#volumes, map };
    this.#seed = new SeedExport(this.#files, seeding);
    return Promise.resolve();
  }

  /**
   * Frees a sealed segment (I5: the caller knows that nobody needs it). `spareBytes`: so many may be kept to be written over, this
   * one included; 0 where somebody may be reading it. Whether it is kept. @throws the file system's errors
   */
  async free(file: SealedFile, spareBytes: number): Promise<boolean> {
    if (!this.#merger.reads(file) && this.#spares.keep(file, spareBytes)) return true;
    await this.#files.removeLater(file.path);
    return false;
  }

  /** Little is sealed: what was kept to be written over goes. */
  dropSpares(): Promise<void> {
    return this.#spares.clear();
  }

  /** Merges these into one, from the first step on; what was merged before and not committed is dropped. */
  beginMerge(run: readonly SealedFile[]): Promise<void> {
    this.#merger.begin(run);
    return Promise.resolve();
  }

  /** At most one frame is read and written: sealing and destaging wait that long at most. @throws SegmentRefused and the file system's errors */
  stepMerge(): Promise<MergeStep> {
    return Promise.resolve(this.#merger.step());
  }

  /** The merged segment, durable under its name; what it covers is gone. @throws the file system's errors; nothing has changed then */
  commitMerge(): Promise<SealedFile> {
    return Promise.resolve(this.#merger.commit());
  }

  dropMerge(): Promise<void> {
    this.#merger.drop();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#merger.drop();
    this.#point.discard();
    this.#seed?.close();
    this.#map?.close();
    this.#medium.close();
    this.#own?.close();
    this.#volumes.close();
    await this.#spares.clear();
  }

  /** What the volumes hold durably. */
  protected get applied(): Lsn {
    return this.#checkpoint.applied;
  }

  /** As what is destaged has left them. */
  protected get content(): Pick<VolumeSet, 'look' | 'sizeOf'> {
    return this.#volumes;
  }

  /** Into the volumes, durably; a marker is the last record of its segment, and its snapshot is cut there. */
  #destage(records: readonly JournalRecord[], fromVolume: 'apply' | 'skip'): void {
    const preserve = (ranges: readonly VolumeRange[]): void => {
      this.#own?.preserve(ranges);
      this.#point.preserve(ranges);
    };
    this.#volumes.apply(records, { fromVolume, preserve });
    this.#volumes.sync();
    const last = records.at(-1);
    // Up to the checkpoint what follows may be in the volumes, too.
    if (last !== undefined && last.lsn > this.applied) this.#own?.reach(last);
  }

  #seal(raws: readonly ClosedRaw[], ship: boolean): Pick<SealResult, 'sealed' | 'files'> {
    const [first] = raws;
    if (first === undefined || first.last <= this.#checkpoint.digested) return { sealed: 1, files: [] };
    const given = { files: this.#files, random: this.#random, spares: this.#spares, raw: this.#raw };
    const options = { ...this.#options, ...given, keepsSnapshots: this.#own !== undefined };
    const done = sealSome(raws, { checkpoint: this.#checkpoint, ship }, options);
    // In this order: a region is marked before the record that changed it can be freed, and until what was copied of it is durable.
    const { map, tracker, seed } = this.#opened;
    for (const { sealing } of done) {
      tracker.leftOut(sealing.leftOut);
      tracker.shipped(sealing.shipped);
    }
    map.sync();
    for (const { records, sealing } of done) seed.sealed(records, sealing.leftOut);
    this.#move(done.at(-1)?.checkpoint ?? this.#checkpoint);
    return { sealed: done.length, files: done.flatMap(({ file }) => file ?? []) };
  }

  get #toBring(): ToBring {
    const { map, seed } = this.#opened;
    return { marked: map.marked, seed: seed.state, comparing: this.#comparing };
  }

  #setComparing(comparing: boolean): void {
    writeComparing(this.#files, this.#options.folder, comparing);
    this.#comparing = comparing;
  }

  get #opened(): { readonly map: ChangeMap; readonly tracker: ChangeTracker; readonly seed: SeedExport } {
    const [map, tracker, seed] = [this.#map, this.#tracker, this.#seed];
    assert(map !== undefined && tracker !== undefined && seed !== undefined, 'not open');
    return { map, tracker, seed };
  }

  get #checkpoint(): SourceCheckpoint {
    return this.#written.current;
  }

  #move(checkpoint: SourceCheckpoint): void {
    this.#written.move(checkpoint);
  }
}
