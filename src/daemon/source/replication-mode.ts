/** How a source's writes get over: each of them in order (`SourceMode`), or what changed on an interval (`SourceInterval`). */
import type { CopyStatus, IntervalStatus, SourceMode as ModeName } from '../../api/contract/status.ts';
import type { CopyPoint } from '../../journal/copy-point.ts';
import type { Lsn } from '../../journal/ids.ts';
import type { MarkerPayload } from '../../journal/record.ts';
import type { SealPosition } from '../../journal/seal.ts';
import type { ToBring } from '../source-back/source-back-facts.ts';

/** What was sealed and marked last. */
export interface SealedState extends ToBring {
  readonly checkpoint: SealPosition;
}

export interface ReplicationMode {
  readonly mode: Exclude<ModeName, 'stopped'>;
  /** Of what the change map has marked; undefined when that is nothing and every write goes over in order. */
  readonly copy: CopyStatus | undefined;
  /** Undefined where every write goes over in order. */
  readonly interval: IntervalStatus | undefined;
  /** The newest record that destinations are to get, as far as it can be told; `last` is the group's. */
  lastToShip(last: Lsn): Lsn;
  /** What is sealed now goes to the destinations; otherwise what it changes is marked. */
  readonly shipping: boolean;
  /** Looks at the buffer and at the copy, and does what is due. One at a time: each looks at what the one before it did. */
  govern(): Promise<void>;
  /** A raw segment is to be sealed. */
  closed(last: Lsn): void;
  /** A raw segment of so many bytes that ends with `last` was sealed, or its changes marked. */
  sealed(state: SealedState, raw: { readonly last: Lsn; readonly end: number }): Promise<void>;
  /** The source's own volumes are at `last`. */
  destaged(last: Lsn): Promise<void>;
  /** The init-end record of a copy in step with live writes is in the journal. */
  copied(at: Lsn): void;
  /** A point is cut that a copy is to be as of; the segment that ends with it is not closed yet. */
  pointCut(point: CopyPoint): void;
  /**
   * More is to be brought over, which `mark` marks durably; begun as soon as there is room. @throws what `mark` throws
   */
  bringOver(mark: () => Promise<ToBring>): Promise<void>;
  /** A replication file could not be written, which is tried again. */
  diskFull(sentence: string): Promise<void>;
  /** A replication file was written. */
  diskHasRoom(): Promise<void>;
  /** Undefined: there can be no recovery point now. Its LSN is that of a record that is the last of its segment. */
  placeMarker(marker: MarkerPayload): Promise<{ readonly lsn: Lsn; readonly time: number }> | undefined;
  /** Milliseconds, from now on; of no interest to a mode without. */
  setEvery(every: number): void;
  stop(): void;
}
