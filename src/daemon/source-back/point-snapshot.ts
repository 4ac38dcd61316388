/**
 * What the source's own volumes held at one point, kept while it is brought over: a snapshot, of what is marked alone. It
 * is of no use after a restart, which begins at another point, and is removed by then.
 */
import type { MarkedVolume } from '../../capture/change-map.ts';
import type { PointPiece } from '../../capture/point-copier.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import { RegionBits, regionCount } from '../../journal/region-bits.ts';
import { ExtentList, WRITE_LENGTH_MAX } from '../../nbd/front-end.ts';
import { assert, describeError, OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import type { SnapshotReader, SnapshotStore } from '../../recovery/snapshot-store.ts';
import type { SetVolume, VolumeRange } from '../../volume/volume-set.ts';

/** Bytes of data read at once. */
const BATCH_BYTES = 1024 * 1024;
/** Extents that are looked at for them. */
const BATCH_PIECES = 64;
/** Bytes that one look at a volume's extents covers; no region is larger. */
const LOOK_BYTES = 1024 * 1024 * 1024;

export interface PointBatch {
  readonly pieces: readonly PointPiece[];
  /** There is nothing behind them. */
  readonly isLast: boolean;
}

export interface PointSnapshotOptions {
  readonly random: Random;
  readonly log: Log;
  readonly volumes: readonly SetVolume[];
  /** Whether there is a store that an earlier run may have left something in. */
  readonly hasStore: () => boolean;
  readonly openStore: () => SnapshotStore;
}

interface Kept {
  readonly id: string;
  readonly store: SnapshotStore;
  readonly marked: readonly MarkedVolume[];
  /** How far it is read: number of the volume among those that are marked, and bytes. */
  volume: number;
  offset: number;
  reader: SnapshotReader | undefined;
}

export class PointSnapshot {
  readonly #options: PointSnapshotOptions;
  #kept: Kept | undefined;
  /** Why it is no more. */
  #lost: string | undefined;

  constructor(options: PointSnapshotOptions) {
    this.#options = options;
  }

  /** What an earlier run left. What cannot be removed now is removed before the next one is made. */
  removeLeftovers(): void {
    try {
      if (!this.#options.hasStore()) return;
      this.#openEmpty().close();
    } catch (error) {
      this.#options.log.warn(`what is left of an earlier delta cannot be removed: ${describeError(error)}`);
    }
  }

  /** The volumes, which are durable up to the point, are kept as they are. @throws as opening a store and `SnapshotStore.create` do */
  cut(point: CopyPoint, marked: readonly MarkedVolume[]): void {
    this.discard();
    const store = this.#openEmpty();
    const id = this.#options.random.bytes(16).toString('hex');
    try {
      store.create({ id, name: `point-${point.lsn}`, ...point });
    } catch (error) {
      store.close();
      throw error;
    }
    this.#lost = undefined;
    this.#kept = { id, store, marked, volume: 0, offset: 0, reader: undefined };
  }

  /** What of these ranges is still to be read is kept before it is overwritten. Hosts come first: where it cannot be, all of it is given up. */
  preserve(ranges: readonly VolumeRange[]): void {
    const kept = this.#kept;
    const needed = kept === undefined ? [] : ranges.filter((range) => this.#isNeeded(kept, range));
    if (kept === undefined || needed.length === 0) return;
    try {
      kept.store.preserve(needed);
    } catch (error) {
      this.discard();
      this.#lost = describeError(error);
    }
  }

  /** What comes next, in order. @throws OperatorError `POINT_LOST`; the operating system's errors, and it can be called again */
  read(): PointBatch {
    const kept = this.#kept;
    if (kept === undefined) {
      throw new OperatorError('POINT_LOST', `what the volumes held is no longer there: ${this.#lost ?? ''}`);
    }
    const pieces: PointPiece[] = [];
    try {
      for (let bytes = 0; bytes < BATCH_BYTES && pieces.length < BATCH_PIECES;) {
        const piece = this.#next(kept);
        if (piece === undefined) return { pieces, isLast: true };
        pieces.push(piece);
        bytes += piece.data?.length ?? 0;
      }
      return { pieces, isLast: false };
    } catch (error) {
      // A volume that was away and came back is opened anew.
      kept.reader?.close();
      kept.reader = undefined;
      // None of these was handed on.
      const [first] = pieces;
      if (first !== undefined) {
        kept.volume = kept.marked.findIndex(({ index }) => index === first.volume);
        kept.offset = first.offset;
      }
      throw error;
    }
  }

  /** It is not needed any more. */
  discard(): void {
    const kept = this.#kept;
    if (kept === undefined) return;
    this.#kept = undefined;
    try {
      kept.reader?.close();
      remove(kept.store, kept.id);
    } catch (error) {
      this.#options.log.warn(
        `what was kept for a delta cannot be removed, which is tried again: ${describeError(error)}`,
      );
    } finally {
      kept.store.close();
    }
  }

  #openEmpty(): SnapshotStore {
    const store = this.#options.openStore();
    try {
      for (const { id } of store.list()) remove(store, id);
      while (store.tidy());
      return store;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  #isNeeded(kept: Kept, { volume: name, offset, length }: VolumeRange): boolean {
    const index = this.#options.volumes.find((volume) => volume.name === name)?.index;
    const number = kept.marked.findIndex((marked) => marked.index === index);
    const marked = kept.marked[number];
    if (marked === undefined || number < kept.volume) return false;
    const from = number === kept.volume ? Math.max(offset, kept.offset) : offset;
    const end = Math.ceil((offset + length) / marked.regionSize);
    return (
      from < offset + length && this.#bits(marked).next(Math.floor(from / marked.regionSize), true, end) < end
    );
  }

  #next(kept: Kept): PointPiece | undefined {
    for (;;) {
      const marked = kept.marked[kept.volume];
      if (marked === undefined) return undefined;
      const end = this.#nextMarked(kept, marked);
      if (end > kept.offset) return this.#piece(kept, marked, end);
      kept.reader?.close();
      kept.reader = undefined;
      kept.volume += 1;
      kept.offset = 0;
    }
  }

  #piece(kept: Kept, { index }: MarkedVolume, end: number): PointPiece {
    const reader = (kept.reader ??= kept.store.open(kept.id, this.#volume(index).name));
    const list = new ExtentList(1);
    const { offset } = kept;
    reader.extents(offset, end - offset, list);
    const [extent] = list.extents;
    assert(extent !== undefined, `no extent at ${offset}`);
    const isData = extent.kind === 'data';
    const length = isData ? Math.min(extent.length, WRITE_LENGTH_MAX) : extent.length;
    const data = isData ? new Uint8Array(length) : undefined;
    if (data !== undefined) reader.read(offset, Buffer.from(data.buffer));
    kept.offset += length;
    return { volume: index, offset, length, data };
  }

  /** Moves to the first marked byte from the offset on; returns where what is marked there ends. */
  #nextMarked(kept: Kept, marked: MarkedVolume): number {
    const { regionSize } = marked;
    const { size } = this.#volume(marked.index);
    const bits = this.#bits(marked);
    const at = Math.floor(kept.offset / regionSize);
    const first = bits.next(at, true);
    if (first !== at) kept.offset = Math.min(size, first * regionSize);
    return Math.min(size, bits.next(first, false, first + LOOK_BYTES / regionSize) * regionSize);
  }

  #bits({ index, regionSize, bits }: MarkedVolume): RegionBits {
    return new RegionBits(bits, regionCount(this.#volume(index).size, regionSize));
  }

  #volume(wanted: MarkedVolume['index']): SetVolume {
    const volume = this.#options.volumes.find(({ index }) => index === wanted);
    assert(volume !== undefined, `volume number ${wanted} is one of this group`);
    return volume;
  }
}

function remove(store: SnapshotStore, id: string): void {
  store.delete(id);
  while (store.tidy());
}
