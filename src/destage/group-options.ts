/** What a destination's deciding half is given. */
import type { EpochIdentity } from '../journal/ids.ts';
import type { DestinationStatus, Resync } from '../journal/status.ts';
import type { DestinationBack } from './destination-back.ts';
import type { MarkerProgram } from './marker-runner.ts';

export interface DestinationGroupOptions {
  readonly name: string;
  readonly folder: string;
  /** Bytes that inbox and journal may take; it changes as it runs. */
  readonly quota: () => number;
  /** Volume name → path. */
  readonly paths: ReadonlyMap<string, string>;
  readonly markers: readonly MarkerProgram[];
  /** What it asks its source for, as long as its state says so; undefined: nothing. */
  readonly resync: Resync | undefined;
  /** The last record of the epoch is applied, and no program runs any more: this side is the source from here on. Called once or more. */
  readonly onHandover: (epoch: EpochIdentity) => void;
  readonly encodeStatus: (status: DestinationStatus) => Buffer;
  /** Calls back when something in the folder changed; the result ends it. */
  readonly watch: (folder: string, onChange: () => void) => () => void;
}

/** The back's methods as they are called across threads. */
export type BackCalls = Pick<
  DestinationBack,
  | 'facts'
  | 'receive'
  | 'beginWith'
  | 'refuse'
  | 'discard'
  | 'applySome'
  | 'startMarker'
  | 'failMarker'
  | 'detachMarker'
  | 'finishMarker'
  | 'reserveSequence'
  | 'snapshots'
  | 'createSnapshot'
  | 'deleteSnapshot'
  | 'tidySnapshots'
  | 'giveUpRetained'
  | 'importSeed'
  | 'stepSeed'
  | 'giveUpSeed'
>;
