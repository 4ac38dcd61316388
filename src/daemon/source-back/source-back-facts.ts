/** What the back half of a source group says of itself. */
import type { VolumeToMap } from '../../capture/change-map.ts';
import type { MediumReport } from '../../capture/medium-watch.ts';
import type { SeedStep } from '../../capture/seed-export.ts';
import type { SeedPlace, SeedState } from '../../capture/seed-state.ts';
import type { EpochIdentity, GroupIdentity } from '../../journal/ids.ts';
import type { SourceCheckpoint } from '../../journal/source-files.ts';
import type { SealedFile } from './sealed-file.ts';

export interface SourceBackOptions {
  readonly folder: string;
  readonly group: GroupIdentity;
  readonly epoch: EpochIdentity;
  readonly key: Buffer | undefined;
  readonly compression: number;
  readonly dropOverwritten: boolean;
  /** Of a group that is new. */
  readonly initialCopy: 'send' | 'compare';
  /** The newest resync whose regions are marked. */
  readonly resync?: string | undefined;
  readonly volumes: readonly (VolumeToMap & { readonly name: string; readonly path: string })[];
}

/** What is still to be brought over, and how. */
export interface ToBring {
  /** Bytes of the volumes that the change map has marked. */
  readonly marked: number;
  /** The seed that the copy rests on. */
  readonly seed: SeedState | undefined;
  /** The destinations have old copies: what is marked is compared, and sent where it differs. */
  readonly comparing: boolean;
}

export interface OpenedBack extends ToBring {
  readonly checkpoint: SourceCheckpoint;
  readonly sealed: readonly SealedFile[];
  /** Blocks of the change map that could not be read: all of their regions are marked. */
  readonly unreadable: number;
  readonly medium: MediumReport;
  /** Snapshots of its own. */
  readonly snapshots: number;
}

export interface ApplyResult {
  readonly checkpoint: SourceCheckpoint;
  readonly medium: MediumReport;
  readonly snapshots: number;
}

export interface SealResult extends ToBring {
  /** How many of them are sealed, from the first on. */
  readonly sealed: number;
  /** None of those of which nothing is shipped, or that were sealed before. */
  readonly files: readonly SealedFile[];
  readonly checkpoint: SourceCheckpoint;
}

/** What a step of the export came to, and where it is. */
export interface SeedProgress extends Pick<ToBring, 'marked' | 'seed'> {
  readonly step: SeedStep;
  /** In the file that is being written; undefined: there is none. */
  readonly place: SeedPlace | undefined;
}
