/**
 * Snapshots by copying a chunk aside before it is first overwritten (I7), on any file system and for block devices.
 *
 * Only the newest snapshot is copied for, so that the cost of a write does not grow with the number of snapshots: a
 * chunk kept for a snapshot serves every older one too that has no copy of its own. To read an older snapshot is to look
 * through the chunk files from its own to the newest, in the order of their making, and then at the volume itself.
 *
 * A deleted snapshot's chunk file stays until `tidy` has handed what an older snapshot still needs of it to the file
 * before, a few MiB at a time; of the oldest snapshot nothing is needed.
 *
 * A volume's chunks are never changed but through `preserve`, and volumes only grow.
 */
import { assert } from '../platform/errors.ts';
import type { Lsn } from '../journal/ids.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { VolumeRange } from '../volume/volume-set.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';
import { ChunkFile, removeChunkFile, type ReadGranules } from './chunk-file.ts';
import { RunBuilder } from './chunk-format.ts';
import { chunkKey, chunkOf, volumeOf, type ChunkKey, type WantedGranules } from './chunk-index.ts';
import { ChunkMerge } from './chunk-merge.ts';
import { CopyOnWriteReader } from './copy-on-write-reader.ts';
import { CHUNK_SIZE, either, granulesIn, NO_GRANULES, spansOf, without, type Granules } from './granules.ts';
import { Readers } from './readers.ts';
import { snapshotNotFound } from './snapshot-errors.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotStore, SnapshotVolume } from './snapshot-store.ts';
import { VolumeSources, type Spans } from './volume-source.ts';

/** Of a chunk of which so many pieces are kept, all the rest is kept with the next: their index is to stay small. */
const PIECES_MAX = 4;
/** What is kept together, 4 GiB at most. */
const CHUNKS_AT_ONCE = 65_536;
/** Chunks that are on their way from the volumes while what lies before them is kept, 16 MiB at most. */
const CHUNKS_EXPECTED = 256;

export class CopyOnWriteStore implements SnapshotStore {
  readonly kind = 'copy-on-write';
  readonly #files: Files;
  readonly #log: Log;
  readonly #catalogue: Catalogue;
  readonly #folder: string;
  readonly #volumes: ReadonlyMap<string, SnapshotVolume>;
  readonly #readers = new Readers();
  /** As the catalogue's entries: in the order of their making. */
  #chunkFiles: ChunkFile[];
  /** Of the newest snapshot that was not deleted. Those behind it are deleted ones', which are asked before it is. */
  #appended: ChunkFile | undefined;
  #merge: ChunkMerge | undefined;
  /** Damaged where it is needed; tried again by the next process. */
  readonly #unmergeable = new Set<ChunkFile>();
  /** 4 MiB, there once anything is kept. */
  #builder: RunBuilder | undefined;

  constructor(
    files: Files,
    log: Log,
    catalogue: Catalogue,
    options: { readonly folder: string; readonly volumes: readonly SnapshotVolume[] },
  ) {
    this.#files = files;
    this.#log = log;
    this.#catalogue = catalogue;
    this.#folder = options.folder;
    this.#volumes = new Map(options.volumes.map((volume) => [volume.name, volume]));
    this.#chunkFiles = catalogue.entries.map((entry) => new ChunkFile(files, options.folder, entry));
    this.#resumeNewest();
  }

  get isKeeping(): boolean {
    return this.#appended !== undefined;
  }

  /** @throws OperatorError `SNAPSHOT_LIMIT`; the operating system's */
  create(info: Omit<SnapshotInfo, 'kind'>): void {
    this.#catalogue.settle();
    if (this.#catalogue.has(info.id)) return;
    this.#catalogue.checkRoom();
    this.#pauseMerge();
    const { id, name, lsn, time } = info;
    const volumes = [...this.#volumes.values()].map((volume) => ({ name: volume.name, size: volume.size }));
    const entry: CatalogueEntry = { id, name, lsn, time, volumes };
    const chunkFile = ChunkFile.create(this.#files, this.#folder, entry);
    const before = this.#appended;
    const kept = before?.end;
    try {
      this.#catalogue.add(
        entry,
        before === undefined || kept === undefined ? undefined : { id: before.id, kept },
      );
    } catch (error) {
      chunkFile.close();
      throw error;
    }
    if (kept !== undefined) before?.finish(kept);
    this.#chunkFiles.push(chunkFile);
    this.#appended = chunkFile;
    this.#unloadUnlessRead();
  }

  list(): SnapshotInfo[] {
    return this.#catalogue.list();
  }

  anticipate(ranges: readonly VolumeRange[]): void {
    this.#eachTouched(ranges, (newest, touched) => {
      this.#append(newest, touched);
      newest.hasten();
    });
  }

  /** @throws the operating system's errors, `ENOSPC` for one: nothing of `ranges` may then be overwritten */
  preserve(ranges: readonly VolumeRange[]): void {
    this.#eachTouched(ranges, (newest, touched) => {
      this.#append(newest, touched);
      if (newest.awaits(touched)) newest.settle();
    });
  }

  leave(behind: Lsn): void {
    this.#catalogue.settle();
    this.#catalogue.leave(behind);
  }

  delete(id: string): void {
    this.#catalogue.settle();
    const at = this.#catalogue.entries.findIndex((entry) => entry.id === id && entry.deleted === undefined);
    const chunkFile = this.#chunkFiles[at];
    if (chunkFile === undefined) throw snapshotNotFound(id);
    this.#readers.refuseWhileRead(id);
    this.#pauseMerge();
    if (chunkFile === this.#appended) this.#deleteNewest(chunkFile, at);
    else this.#catalogue.change({ [id]: { deleted: true } });
  }

  tidy(): boolean {
    this.#catalogue.settle();
    if (this.#dropOldest()) return true;
    const merge = (this.#merge ??= this.#nextMerge());
    if (merge === undefined) return false;
    let outcome: ReturnType<ChunkMerge['step']>;
    try {
      outcome = merge.step(this.#catalogue, this.#runBuilder);
    } catch (error) {
      this.#pauseMerge();
      throw error;
    }
    if (outcome === 'more') return true;
    this.#pauseMerge();
    if (outcome === 'done') this.#drop([merge.from.id]);
    else this.#unmergeable.add(merge.from);
    return true;
  }

  used(): ReadonlyMap<string, number> {
    const sizeOf = ({ id, path }: ChunkFile): [string, number] => [id, this.#files.stat(path)?.size ?? 0];
    return new Map(this.#chunkFiles.map(sizeOf));
  }

  volumesOf(id: string): string[] {
    const entry = this.#catalogue.entries.find((candidate) => candidate.id === id);
    if (entry === undefined || entry.deleted === true) throw snapshotNotFound(id);
    return entry.volumes.flatMap(({ name }) => (this.#volumes.has(name) ? [name] : []));
  }

  open(id: string, name: string): SnapshotReader {
    const entry = this.#catalogue.entries.find((candidate) => candidate.id === id);
    const own = this.#chunkFiles.find((chunkFile) => chunkFile.id === id);
    const number = own?.volumeNumber(name);
    const volume = this.#volumes.get(name);
    if (own === undefined || entry?.deleted === true || number === undefined || volume === undefined) {
      throw snapshotNotFound(id, name);
    }
    const live = this.#files.open(volume.path, 'read');
    const ended = this.#readers.begin(id);
    return new CopyOnWriteReader({
      id,
      volume: name,
      size: own.volumeSize(number),
      live,
      chunkFiles: () => this.#chunkFiles.slice(this.#chunkFiles.indexOf(own)),
      onClose: () => {
        ended();
        this.#unloadUnlessRead();
      },
    });
  }

  close(): void {
    this.#pauseMerge();
    this.#appended?.close();
  }

  get #runBuilder(): RunBuilder {
    return (this.#builder ??= new RunBuilder());
  }

  #pathOf(name: string): string {
    const volume = this.#volumes.get(name);
    assert(volume !== undefined, `volume ${name} is one of this group`);
    return volume.path;
  }

  #resumeNewest(): void {
    const at = this.#catalogue.entries.findLastIndex((entry) => entry.deleted === undefined);
    const newest = this.#chunkFiles[at];
    // One that was found damaged is not kept up: what it lacks is lost already, and the next snapshot begins anew.
    if (newest === undefined || this.#catalogue.entries[at]?.kept !== undefined) return;
    newest.resume();
    if (newest.damage === undefined) {
      this.#appended = newest;
      return;
    }
    this.#log.error(
      `${newest.damage}; snapshots up to ${newest.id} are lost in part; make a new one, and check the disk`,
    );
    // Written down, because from here on nothing is kept for it, whatever the file may look like at the next start.
    this.#catalogue.change({ [newest.id]: { kept: 0 } });
    newest.finish(0);
  }

  /** The snapshot before it, if there is one, is kept up in its place; but for one that is damaged nothing is kept. */
  #deleteNewest(newest: ChunkFile, at: number): void {
    const kept = newest.end;
    assert(kept !== undefined, 'the newest chunk file is appended to');
    const before = this.#catalogue.entries.findLastIndex((entry, i) => i < at && entry.deleted === undefined);
    const heirs = before < 0 ? [] : this.#chunkFiles.slice(before, at);
    const heir = heirs.every(isSound) ? heirs[0] : undefined;
    heir?.reopen();
    try {
      this.#catalogue.change({
        [newest.id]: { kept, deleted: true },
        ...(heir === undefined ? {} : { [heir.id]: { kept: undefined } }),
      });
    } catch (error) {
      heir?.close();
      throw error;
    }
    newest.finish(kept);
    this.#appended = heir;
  }

  /** Nothing needs the oldest entries once they are deleted ones'. */
  #dropOldest(): boolean {
    const { entries } = this.#catalogue;
    const kept = entries.findIndex((entry) => entry.deleted === undefined);
    const oldest = entries.slice(0, kept < 0 ? entries.length : kept).map((entry) => entry.id);
    if (oldest.length > 0) this.#pauseMerge();
    if (oldest.length > 0 || this.#catalogue.removing.length > 0) this.#drop(oldest);
    return oldest.length > 0;
  }

  #drop(ids: readonly string[]): void {
    if (ids.length > 0) this.#catalogue.remove(ids);
    this.#chunkFiles = this.#chunkFiles.filter((chunkFile) => !ids.includes(chunkFile.id));
    for (const id of this.#catalogue.removing) removeChunkFile(this.#files, this.#folder, id);
    this.#catalogue.removed();
    this.#unloadUnlessRead();
  }

  /** Past a damaged file nothing is handed: an older snapshot would then miss that something is lost. */
  #nextMerge(): ChunkMerge | undefined {
    const { entries } = this.#catalogue;
    for (const [i, entry] of entries.entries()) {
      const [into, from] = [this.#chunkFiles[i - 1], this.#chunkFiles[i]];
      if (entry.deleted === undefined) continue;
      if (into === undefined || from === undefined || this.#unmergeable.has(from)) continue;
      if (!isSound(into) || !isSound(from)) continue;
      return new ChunkMerge(into, from, this.#log);
    }
    return undefined;
  }

  #pauseMerge(): void {
    this.#merge?.end();
    this.#merge = undefined;
  }

  #unloadUnlessRead(): void {
    if (this.#readers.count > 0 || this.#merge !== undefined) return;
    const needed =
      this.#appended === undefined ? [] : this.#chunkFiles.slice(this.#chunkFiles.indexOf(this.#appended));
    for (const chunkFile of this.#chunkFiles) if (!needed.includes(chunkFile)) chunkFile.unloadIndex();
  }

  #eachTouched(
    ranges: readonly VolumeRange[],
    act: (newest: ChunkFile, touched: WantedGranules) => void,
  ): void {
    // One whose creation failed may be in the catalogue all the same: nothing was kept for it (I7).
    this.#catalogue.settle();
    const newest = this.#appended;
    if (newest === undefined) return;
    for (const touched of this.#touched(newest, ranges)) act(newest, touched);
  }

  /** What of each chunk lies in `ranges`, a limited number of chunks at a time: a trim may be as long as a volume. */
  *#touched(newest: ChunkFile, ranges: readonly VolumeRange[]): Iterable<WantedGranules> {
    let touched = new Map<ChunkKey, Granules>();
    for (const { volume, offset, length } of ranges) {
      assert(this.#volumes.has(volume), `volume ${volume} is one of this group`);
      const number = newest.volumeNumber(volume);
      if (number === undefined) continue;
      const end = Math.min(offset + length, newest.volumeSize(number));
      for (let chunk = Math.floor(offset / CHUNK_SIZE); chunk * CHUNK_SIZE < end; chunk += 1) {
        const [key, start] = [chunkKey(number, chunk), chunk * CHUNK_SIZE];
        const granules = granulesIn(Math.max(0, offset - start), Math.min(CHUNK_SIZE, end - start));
        touched.set(key, either(granules, touched.get(key) ?? NO_GRANULES));
        if (touched.size < CHUNKS_AT_ONCE) continue;
        yield touched;
        touched = new Map();
      }
    }
    yield touched;
  }

  /** What the newest snapshot still lacks of that. */
  #lacking(newest: ChunkFile, touched: WantedGranules): WantedGranules {
    const behind = this.#chunkFiles.slice(this.#chunkFiles.indexOf(newest) + 1);
    const all: [ChunkKey, Granules][] = [];
    for (const [key, granules] of touched) {
      const lacking = lackingOf(newest, behind, key, granules);
      if (lacking !== NO_GRANULES) all.push([key, lacking]);
    }
    return new Map(all.sort(([a], [b]) => a - b));
  }

  #append(newest: ChunkFile, touched: WantedGranules): void {
    const wanted = this.#lacking(newest, touched);
    if (wanted.size === 0) return;
    const sources = new VolumeSources(this.#files, (number) => this.#pathOf(newest.volumeName(number)));
    try {
      const coming = wanted.entries();
      const expectNext = (): void => {
        const { value } = coming.next();
        if (value !== undefined)
          sources.startReading(volumeOf(value[0]), spansIn(chunkOf(value[0]), value[1]));
      };
      for (let i = 0; i < CHUNKS_EXPECTED; i += 1) expectNext();
      const read: ReadGranules = (number, chunk, granules, into) => {
        expectNext();
        return sources.read(number, spansIn(chunk, granules), into);
      };
      newest.append(wanted, { read, builder: this.#runBuilder });
    } finally {
      sources.close();
    }
  }
}

/** What of a chunk is to be kept before these granules are overwritten. `behind`: deleted ones', which are asked before it is. */
function lackingOf(
  newest: ChunkFile,
  behind: readonly ChunkFile[],
  key: ChunkKey,
  touched: Granules,
): Granules {
  const [volume, chunk] = [newest.volumeName(volumeOf(key)), chunkOf(key)];
  const own = newest.granules(key);
  const kept = behind.reduce((all, chunkFile) => either(all, chunkFile.holds(volume, chunk)), own);
  const lacking = without(touched, kept);
  if (lacking === NO_GRANULES || newest.pieceCount(key) < PIECES_MAX) return lacking;
  return without(newest.granulesOf(key), kept);
}

function spansIn(chunk: number, granules: Granules): Spans {
  return { position: chunk * CHUNK_SIZE, spans: spansOf(granules) };
}

/** Loads its index, if it is not. */
function isSound(chunkFile: ChunkFile): boolean {
  return chunkFile.index.count >= 0 && chunkFile.damage === undefined;
}
