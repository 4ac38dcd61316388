/**
 * Snapshots by copying a chunk aside before it is first overwritten (I7), on any file system and for block devices.
 *
 * Only the newest snapshot is copied for, so that the cost of a write does not grow with the number of snapshots: a
 * chunk kept for a snapshot serves every older one too that has no copy of its own. To read an older snapshot is to look
 * through the chunk files from its own to the newest, in the order of their making, and then at the volume itself.
 *
 * A volume's chunks are never changed but through `preserve`, and volumes only grow.
 */
import { assert } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { VolumeRange } from '../volume/volume-set.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';
import { ChunkFile, type ReadChunk } from './chunk-file.ts';
import { CHUNK_SIZE, RunBuilder } from './chunk-format.ts';
import { chunkKey } from './chunk-index.ts';
import { CopyOnWriteReader } from './copy-on-write-reader.ts';
import { snapshotNotFound } from './snapshot-errors.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotStore, SnapshotVolume } from './snapshot-store.ts';
import { VolumeSources } from './volume-source.ts';

export class CopyOnWriteStore implements SnapshotStore {
  readonly kind = 'copy-on-write';
  readonly #files: Files;
  readonly #catalogue: Catalogue;
  readonly #folder: string;
  readonly #volumes: ReadonlyMap<string, SnapshotVolume>;
  /** As the catalogue's entries: in the order of their making. Only the last one is appended to. */
  readonly #chunkFiles: ChunkFile[];
  /** 4 MiB, there once anything is kept. */
  #builder: RunBuilder | undefined;
  #readers = 0;

  constructor(
    files: Files,
    log: Log,
    catalogue: Catalogue,
    options: { readonly folder: string; readonly volumes: readonly SnapshotVolume[] },
  ) {
    this.#files = files;
    this.#catalogue = catalogue;
    this.#folder = options.folder;
    this.#volumes = new Map(options.volumes.map((volume) => [volume.name, volume]));
    this.#chunkFiles = catalogue.entries.map((entry) => new ChunkFile(files, options.folder, entry));
    this.#resumeNewest(log);
  }

  /** @throws OperatorError `SNAPSHOT_LIMIT`; the operating system's */
  create(info: Omit<SnapshotInfo, 'kind'>): void {
    this.#catalogue.settle();
    if (this.#catalogue.has(info.id)) return;
    this.#catalogue.checkRoom();
    const { id, name, lsn, time } = info;
    const volumes = [...this.#volumes.values()].map((volume) => ({ name: volume.name, size: volume.size }));
    const entry: CatalogueEntry = { id, name, lsn, time, volumes };
    const chunkFile = ChunkFile.create(this.#files, this.#folder, entry);
    const before = this.#newest;
    const kept = before?.end;
    try {
      this.#catalogue.add(entry, kept);
    } catch (error) {
      chunkFile.close();
      throw error;
    }
    if (kept !== undefined) before?.finish(kept);
    this.#chunkFiles.push(chunkFile);
    this.#unloadUnlessRead();
  }

  list(): SnapshotInfo[] {
    return this.#catalogue.list();
  }

  /** @throws the operating system's errors, `ENOSPC` for one: nothing of `ranges` may then be overwritten */
  preserve(ranges: readonly VolumeRange[]): void {
    const newest = this.#newest;
    if (newest === undefined) return;
    this.#catalogue.settle();
    // A damaged one is not kept up: what it lacks is lost already, and the next snapshot begins anew.
    if (newest.end === undefined) return;
    const keys = this.#missing(newest, ranges);
    if (keys.length === 0) return;
    const sources = new VolumeSources(this.#files, (number) => this.#pathOf(newest.volumeName(number)));
    try {
      const read: ReadChunk = (number, chunk, into) => sources.read(number, chunk * CHUNK_SIZE, into);
      newest.keep(keys, { read, builder: (this.#builder ??= new RunBuilder()) });
    } finally {
      sources.close();
    }
  }

  open(id: string, name: string): SnapshotReader {
    const first = this.#chunkFiles.findIndex((chunkFile) => chunkFile.id === id);
    const own = this.#chunkFiles[first];
    const number = own?.volumeNumber(name);
    const volume = this.#volumes.get(name);
    if (own === undefined || number === undefined || volume === undefined) throw snapshotNotFound(id, name);
    const reader = new CopyOnWriteReader({
      id,
      volume: name,
      size: own.volumeSize(number),
      live: this.#files.open(volume.path, 'read'),
      chunkFiles: this.#chunkFiles,
      first,
      onClose: () => {
        this.#readers -= 1;
        this.#unloadUnlessRead();
      },
    });
    this.#readers += 1;
    return reader;
  }

  close(): void {
    this.#newest?.close();
  }

  get #newest(): ChunkFile | undefined {
    return this.#chunkFiles.at(-1);
  }

  #pathOf(name: string): string {
    const volume = this.#volumes.get(name);
    assert(volume !== undefined, `volume ${name} is one of this group`);
    return volume.path;
  }

  #resumeNewest(log: Log): void {
    const newest = this.#newest;
    if (newest === undefined || this.#catalogue.entries.at(-1)?.kept === 0) return;
    newest.resume();
    if (newest.damage === undefined) return;
    log.error(
      `${newest.damage}; snapshots up to ${newest.id} are lost in part; make a new one, and check the disk`,
    );
    // Written down, because from here on nothing is kept for it, whatever the file may look like at the next start.
    this.#catalogue.setKept(newest.id, 0);
    newest.finish(0);
  }

  #unloadUnlessRead(): void {
    if (this.#readers === 0) for (const chunkFile of this.#chunkFiles) chunkFile.unloadIndex();
  }

  /** Keys of the chunks in `ranges` that the newest snapshot still lacks: ascending, each once. */
  #missing(newest: ChunkFile, ranges: readonly VolumeRange[]): Float64Array {
    const { index } = newest;
    const keys: number[] = [];
    for (const { volume, offset, length } of ranges) {
      assert(this.#volumes.has(volume), `volume ${volume} is one of this group`);
      const number = newest.volumeNumber(volume);
      if (number === undefined) continue;
      const end = Math.min(offset + length, newest.volumeSize(number));
      for (let chunk = Math.floor(offset / CHUNK_SIZE); chunk * CHUNK_SIZE < end; chunk += 1) {
        const key = chunkKey(number, chunk);
        if (keys.at(-1) !== key && !index.has(key)) keys.push(key);
      }
    }
    const sorted = Float64Array.from(keys).sort();
    return sorted.filter((key, i) => i === 0 || key !== sorted[i - 1]);
  }
}
