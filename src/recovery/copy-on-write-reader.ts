import type { ExtentList } from '../nbd/front-end.ts';
import { assert } from '../platform/errors.ts';
import type { OpenFile } from '../platform/files.ts';
import type { ChunkFile } from './chunk-file.ts';
import { chunkKey } from './chunk-index.ts';
import { addKeptExtents, keptRanges } from './extents.ts';
import {
  both,
  CHUNK_SIZE,
  either,
  granulesIn,
  NO_GRANULES,
  spansOf,
  without,
  type Granules,
} from './granules.ts';
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

/** Looks up at every read what it does not have: between two reads it may have been overwritten, and kept. */
export class CopyOnWriteReader implements SnapshotReader {
  readonly size: number;
  readonly #view: CopyOnWriteView;
  /** What is kept of the chunk that was read last, as far as it was read; what is kept never changes. */
  readonly #cached = Buffer.alloc(CHUNK_SIZE);
  #cachedChunk = -1;
  #cachedGranules = NO_GRANULES;
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
    if (chunk !== this.#cachedChunk) [this.#cachedChunk, this.#cachedGranules] = [chunk, NO_GRANULES];
    const wanted = granulesIn(from, from + into.length);
    this.#loadKept(chunk, without(wanted, this.#cachedGranules));
    const within = (span: { readonly start: number; readonly end: number }): [number, number] => [
      Math.max(from, span.start),
      Math.min(from + into.length, span.end),
    ];
    for (const span of spansOf(both(wanted, this.#cachedGranules))) {
      const [start, end] = within(span);
      this.#cached.copy(into, start - from, start, end);
    }
    for (const span of spansOf(without(wanted, this.#cachedGranules))) {
      const [start, end] = within(span);
      this.#readLive(chunk * CHUNK_SIZE + start, into.subarray(start - from, end - from));
    }
  }

  #readLive(position: number, into: Buffer): void {
    const { live } = this.#view;
    const count = live.read(into, position);
    if (count !== into.length) throw this.#damaged(`the volume ${live.path} ends at ${position + count}`);
  }

  /** What is not kept anywhere was never overwritten since the snapshot. */
  #loadKept(chunk: number, wanted: Granules): void {
    const { volume } = this.#view;
    let missing = wanted;
    for (const chunkFile of this.#view.chunkFiles()) {
      if (missing === NO_GRANULES) return;
      const number = chunkFile.volumeNumber(volume);
      if (number === undefined) {
        throw this.#damaged(
          `the volume was not in the group at snapshot ${chunkFile.id}, and what was written then is unknown`,
        );
      }
      const key = chunkKey(number, chunk);
      const found = both(missing, chunkFile.index.granules(key));
      if (found !== NO_GRANULES) {
        chunkFile.readChunk(key, found, this.#cached, (why) => this.#damaged(why));
        this.#cachedGranules = either(this.#cachedGranules, found);
        missing = without(missing, found);
      }
      if (missing !== NO_GRANULES && chunkFile.damage !== undefined) throw this.#damaged(chunkFile.damage);
    }
  }

  #damaged(why: string): Error {
    return snapshotDamaged(this.#view.id, this.#view.volume, why);
  }
}
