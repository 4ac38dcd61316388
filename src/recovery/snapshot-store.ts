/**
 * Snapshots of all volumes of a group together. Two implementations behind this interface: reflink copies where the
 * file system shares blocks, copy-on-write elsewhere and on block devices. One conformance suite runs on both.
 *
 * Calls are synchronous and come from the thread that applies the journal, so nothing is written to the volumes
 * between `create`'s first volume and its last.
 */
import type { ExtentList } from '../nbd/front-end.ts';
import type { Lsn } from '../journal/ids.ts';
import type { VolumeRange } from '../volume/volume-set.ts';

export interface SnapshotInfo {
  /** The marker's id, 32 hexadecimal digits; creating the same id again is no error and has no effect (I9). */
  readonly id: string;
  readonly name: string;
  readonly lsn: Lsn;
  /** The source's clock at the marker, milliseconds since 1970. */
  readonly time: number;
  /** The store that holds it. */
  readonly kind: 'reflink' | 'copy-on-write';
  /** It is of a history that was left: no LSN or time of the present one leads to it. */
  readonly apart?: true;
}

/** A volume as a snapshot store sees it. */
export interface SnapshotVolume {
  readonly name: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

export interface SnapshotStore {
  readonly kind: SnapshotInfo['kind'];
  /** `preserve` may have something to do. */
  readonly isKeeping: boolean;
  /**
   * The volumes, which are durable up to `info.lsn`, are kept as they are now under `info.id`. Durable when this
   * returns; after a crash inside it the snapshot is whole or not there, and the next opening removes what is left of it.
   * After an error it is to be called again, with the same id, before the journal is applied any further.
   * @throws OperatorError `SNAPSHOT_LIMIT`, `SNAPSHOT_CLONE_REFUSED`; the operating system's
   */
  create(info: Omit<SnapshotInfo, 'kind'>): void;
  /** Oldest LSN first. */
  list(): SnapshotInfo[];
  /**
   * Called with what is about to be overwritten, a batch at a time. When this returns, what any snapshot needs of these
   * ranges is durable elsewhere (I7). Nothing to do for reflink.
   * @throws the operating system's errors, `ENOSPC` for one: nothing of these ranges may then be overwritten
   */
  preserve(ranges: readonly VolumeRange[]): void;
  /**
   * Some of these ranges are to be passed to `preserve` soon, which then has less to wait for: nothing, once more were
   * passed here. @throws as `preserve`
   */
  anticipate(ranges: readonly VolumeRange[]): void;
  /** What is behind this record is of a history that is left now: `apart` from here on. Durable on return. */
  leave(behind: Lsn): void;
  /**
   * The snapshot is no more, durably, when this returns; others stay what they are. What it alone needed is freed by
   * `tidy`. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_IN_USE`; the operating system's, and nothing has changed
   */
  delete(id: string): void;
  /**
   * One step, of a few MiB at most, of what deleting left to do; true when there is more. After an error, `ENOSPC` for one,
   * it is to be called again later: nothing is lost and no snapshot is less readable. @throws the operating system's errors
   */
  tidy(): boolean;
  /**
   * Bytes of what is kept for each snapshot, by its id: deleting it gives back as many, less what an older one needs of them.
   * Empty where that cannot be known, as where the file system shares blocks. @throws the operating system's errors
   */
  used(): ReadonlyMap<string, number>;
  /** Names of the volumes that can be opened of it. @throws OperatorError `SNAPSHOT_NOT_FOUND` */
  volumesOf(id: string): string[];
  /** A volume as it was at a snapshot. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED` */
  open(id: string, volume: string): SnapshotReader;
  close(): void;
}

export interface ChangedRanges {
  /** In order. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** Up to where it was looked. */
  readonly end: number;
}

export interface SnapshotReader {
  /** Bytes. */
  readonly size: number;
  /** Fills `into` from `offset`. @throws OperatorError `SNAPSHOT_DAMAGED` when what was kept fails its check */
  read(offset: number, into: Buffer): void;
  /**
   * Adds what is where in a range, from its beginning on; of a long one perhaps not all.
   * @throws the operating system's errors
   */
  extents(offset: number, length: number, list: ExtentList): void;
  /** Where, from `offset` on, the volume may be something else by now: not all of what is left. Undefined: it is not known. */
  changed?(offset: number): ChangedRanges;
  close(): void;
}
