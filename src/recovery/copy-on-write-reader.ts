import type { ExtentList } from '../nbd/front-end.ts';
import { assert } from '../platform/errors.ts';
import type { OpenFile } from '../platform/files.ts';
import type { ChunkFile } from './chunk-file.ts';
import { CHUNK_SIZE } from './chunk-format.ts';
import { chunkKey } from './chunk-index.ts';
import { addKeptExtents, keptRanges } from './extents.ts';
import { snapshotDamaged } from './snapshot-errors.ts';
import type { ChangedRanges, SnapshotReader } from './snapshot-store.ts';

export interface CopyOnWriteView {
  readonly id: string;
  readonly volume: string;
  /** Bytes of the volume at the snapshot. */
  readonly size: number;
  /** The volume as it is; the reader closes it. */
  readonly live: OpenFile;
  /** From this snapshot's own to the newest, as they are now: they change while the reader is open. */
  readonly chunkFiles: () => Iterable<ChunkFile>;
  readonly onClose: () => void;
}

/** Looks every chunk up at every read: between two reads it may have been overwritten, and kept. */
export class CopyOnWriteReader implements SnapshotReader {
  readonly size: number;
  readonly #view: CopyOnWriteView;
  /** The kept chunk that was read last; what is kept never changes. */
  readonly #cached = Buffer.alloc(CHUNK_SIZE);
  #cachedChunk = -1;
  #closed = false;

  constructor(view: CopyOnWriteView) {
    this.#view = view;
    this.size = view.size;
  }

  read(offset: number, into: Buffer): void {
    assert(!this.#closed, 'read of a closed snapshot');
    assert(
      offset >= 0 && offset + into.length <= this.size,
      `read of ${into.length} bytes at ${offset} of a snapshot`,
    );
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const chunk = Math.floor(at / CHUNK_SIZE);
      const length = Math.min(into.length - done, (chunk + 1) * CHUNK_SIZE - at);
      this.#readChunk(chunk, at - chunk * CHUNK_SIZE, into.subarray(done, done + length));
      done += length;
    }
  }

  extents(offset: number, length: number, list: ExtentList): void {
    const { volume, live } = this.#view;
    const view = { volume, live, chunkFiles: this.#view.chunkFiles() };
    addKeptExtents(view, offset, Math.min(this.size, offset + length), list);
  }

  changed(offset: number): ChangedRanges {
    const { volume } = this.#view;
    return keptRanges({ volume, chunkFiles: this.#view.chunkFiles() }, offset, this.size);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#view.live.close();
    this.#view.onClose();
  }

  #readChunk(chunk: number, from: number, into: Buffer): void {
    if (chunk !== this.#cachedChunk && !this.#loadKept(chunk)) {
      const { live } = this.#view;
      const position = chunk * CHUNK_SIZE + from;
      const count = live.read(into, position);
      if (count !== into.length) throw this.#damaged(`the volume ${live.path} ends at ${position + count}`);
      return;
    }
    this.#cached.copy(into, 0, from, from + into.length);
  }

  /** False when the chunk was never overwritten since the snapshot. */
  #loadKept(chunk: number): boolean {
    const { volume } = this.#view;
    for (const chunkFile of this.#view.chunkFiles()) {
      const number = chunkFile.volumeNumber(volume);
      if (number === undefined) {
        throw this.#damaged(
          `the volume was not in the group at snapshot ${chunkFile.id}, and what was written then is unknown`,
        );
      }
      const key = chunkKey(number, chunk);
      if (chunkFile.index.has(key)) {
        this.#cachedChunk = -1;
        chunkFile.readChunk(key, this.#cached, (why) => this.#damaged(why));
        this.#cachedChunk = chunk;
        return true;
      }
      if (chunkFile.damage !== undefined) throw this.#damaged(chunkFile.damage);
    }
    return false;
  }

  #damaged(why: string): Error {
    return snapshotDamaged(this.#view.id, this.#view.volume, why);
  }
}
