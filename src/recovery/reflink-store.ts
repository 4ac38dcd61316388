/** Snapshots as copies that share their blocks with the volume; the file system does the copying on write. */
import type { Lsn } from '../journal/ids.ts';
import { dirname, join } from 'node:path';
import type { ExtentList } from '../nbd/front-end.ts';
import { assert, errorCode, OperatorError } from '../platform/errors.ts';
import type { Files, OpenFile } from '../platform/files.ts';
import type { Catalogue, CatalogueVolume } from './catalogue.ts';
import { cloneFolder, removeClones } from './clone-folders.ts';
import { addFileExtents } from './extents.ts';
import { Readers } from './readers.ts';
import { snapshotDamaged, snapshotNotFound } from './snapshot-errors.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotStore, SnapshotVolume } from './snapshot-store.ts';

export class ReflinkStore implements SnapshotStore {
  readonly kind = 'reflink';
  readonly isKeeping = false;
  readonly #files: Files;
  readonly #catalogue: Catalogue;
  readonly #volumes: readonly SnapshotVolume[];
  readonly #readers = new Readers();

  constructor(files: Files, catalogue: Catalogue, volumes: readonly SnapshotVolume[]) {
    this.#files = files;
    this.#catalogue = catalogue;
    this.#volumes = volumes;
  }

  /** @throws OperatorError `SNAPSHOT_LIMIT`, `SNAPSHOT_CLONE_REFUSED`; the operating system's */
  create(info: Omit<SnapshotInfo, 'kind'>): void {
    this.#catalogue.settle();
    if (this.#catalogue.has(info.id)) return;
    this.#catalogue.checkRoom();
    // An earlier attempt in this process may have failed half way.
    removeClones(this.#files, this.#volumes, this.#catalogue.store, info.id);
    const volumes = this.#volumes.map((volume, number) => this.#clone(volume, number, info.id));
    this.#syncFolders(info.id);
    const { id, name, lsn, time } = info;
    this.#catalogue.add({ id, name, lsn, time, volumes });
  }

  list(): SnapshotInfo[] {
    return this.#catalogue.list();
  }

  /** The file system preserves. */
  preserve(): void {}

  anticipate(): void {}

  leave(behind: Lsn): void {
    this.#catalogue.settle();
    this.#catalogue.leave(behind);
  }

  delete(id: string): void {
    this.#catalogue.settle();
    if (!this.#catalogue.has(id)) throw snapshotNotFound(id);
    this.#readers.refuseWhileRead(id);
    this.#catalogue.remove([id]);
  }

  tidy(): boolean {
    this.#catalogue.settle();
    const [id] = this.#catalogue.removing;
    if (id === undefined) return false;
    for (const one of this.#catalogue.removing)
      removeClones(this.#files, this.#volumes, this.#catalogue.store, one);
    this.#catalogue.removed();
    return false;
  }

  /** Which blocks are a clone's alone the file system does not tell. */
  used(): ReadonlyMap<string, number> {
    return new Map();
  }

  volumesOf(id: string): string[] {
    const entry = this.#catalogue.entries.find((candidate) => candidate.id === id);
    if (entry === undefined) throw snapshotNotFound(id);
    return entry.volumes.map(({ name }) => name);
  }

  /** @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED` */
  open(id: string, name: string): SnapshotReader {
    const entry = this.#catalogue.entries.find((candidate) => candidate.id === id);
    const volume = entry?.volumes.find((candidate) => candidate.name === name);
    if (volume?.path === undefined) throw snapshotNotFound(id, name);
    try {
      const file = this.#files.open(volume.path, 'read');
      return new CloneReader(file, { id, volume, onClose: this.#readers.begin(id) });
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      throw snapshotDamaged(id, name, `its clone ${volume.path} is gone`, error);
    }
  }

  close(): void {
    // Nothing is held open between calls.
  }

  #clone(volume: SnapshotVolume, number: number, id: string): CatalogueVolume {
    const folder = cloneFolder(volume, this.#catalogue.store, id);
    this.#files.makeDirectory(folder);
    const path = join(folder, `${number}.img`);
    if (!this.#files.clone(volume.path, path)) {
      throw new OperatorError(
        'SNAPSHOT_CLONE_REFUSED',
        `the file system refuses to clone ${volume.path} to ${path}`,
        {
          remedy: `keep volume ${volume.name} on a file system with reflink (XFS, btrfs), as it was when the first snapshot was made`,
        },
      );
    }
    const clone = this.#files.open(path, 'write');
    try {
      clone.syncNow();
    } finally {
      clone.close();
    }
    return { name: volume.name, size: volume.size, path };
  }

  /** From the clones up to the images' folders: an entry counts only once its directory is synced (I6). */
  #syncFolders(id: string): void {
    const folders = new Set(this.#volumes.map((volume) => cloneFolder(volume, this.#catalogue.store, id)));
    for (const folder of folders) {
      const storeFolder = dirname(folder);
      for (const directory of [folder, storeFolder, dirname(storeFolder)])
        this.#files.syncDirectory(directory);
    }
  }
}

interface CloneView {
  readonly id: string;
  readonly volume: CatalogueVolume;
  readonly onClose: () => void;
}

class CloneReader implements SnapshotReader {
  readonly size: number;
  readonly #file: OpenFile;
  readonly #view: CloneView;
  #closed = false;

  constructor(file: OpenFile, view: CloneView) {
    this.#file = file;
    this.#view = view;
    this.size = view.volume.size;
  }

  read(offset: number, into: Buffer): void {
    assert(
      !this.#closed && offset >= 0 && offset + into.length <= this.size,
      `read of ${into.length} bytes at ${offset} of a snapshot`,
    );
    const count = this.#file.read(into, offset);
    if (count === into.length) return;
    const { id, volume } = this.#view;
    throw snapshotDamaged(id, volume.name, `its clone ${this.#file.path} ends at ${offset + count}`);
  }

  extents(offset: number, length: number, list: ExtentList): void {
    addFileExtents(this.#file, offset, Math.min(this.size, offset + length), list);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#view.onClose();
  }
}
