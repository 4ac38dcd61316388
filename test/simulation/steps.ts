/** The things that may be done to the pair in one run. */
import type { HostAction } from './pair/host.ts';
import type { Weather } from './pair/server.ts';
import type { CallKind } from './platform/machine.ts';

/**
 * `sealed`: a replication file at the source; `received`: one at the destination, in its inbox or its journal; `raw`: a
 * closed raw segment at the source; `state`: one of the two copies of a small file.
 */
export type RotPlace = 'sealed' | 'received' | 'raw' | 'state';

export type SiteName = 'source' | 'destination';

export type Attack =
  'swap' | 'replay' | 'cut' | 'forge-segment' | 'flip' | 'forge-status' | 'replay-status' | 'remove';

export type Step = { readonly at: number } & (
  | { readonly kind: 'host'; readonly connection: number; readonly action: HostAction }
  | { readonly kind: 'marker'; readonly type: 'snapshot' | 'custom'; readonly name: string }
  /** The operator has a snapshot of the source made, or one of them deleted. */
  | { readonly kind: 'own'; readonly action: 'create' | 'delete' }
  /** Everything is to be brought over again. */
  | { readonly kind: 'initialize'; readonly compare: boolean }
  /** The operator has the volumes compared. */
  | { readonly kind: 'verify' }
  /** A volume of the source's is made larger, bytes. */
  | { readonly kind: 'resize'; readonly volume: number; readonly size: number }
  /** The source's buffer is to be in the other one of its two folders. */
  | { readonly kind: 'move' }
  /** The source's buffer gets another quota, bytes. */
  | { readonly kind: 'quota'; readonly bytes: number }
  /** Dies at the so-manyeth call from then on; with 0 at once. */
  | {
      readonly kind: 'death';
      readonly site: SiteName;
      readonly calls: number;
      readonly before: boolean;
      readonly power: boolean;
    }
  | { readonly kind: 'restart'; readonly site: SiteName }
  /** The so-manyeth call of this kind from then on fails, and `count` - 1 after it. */
  | {
      readonly kind: 'io-error';
      readonly site: SiteName;
      readonly call: CallKind;
      readonly code: 'EIO' | 'ENOSPC';
      readonly skip: number;
      readonly count: number;
      /** Of a sync: what it was to write is given up, and the next one succeeds without it. */
      readonly drops?: boolean;
    }
  /** The file system under this folder has so much room left, for so long. */
  | {
      readonly kind: 'room';
      readonly site: SiteName;
      readonly mount: string;
      readonly bytes: number;
      readonly time: number;
    }
  | { readonly kind: 'clock'; readonly site: SiteName; readonly by: number }
  | { readonly kind: 'weather'; readonly weather: Weather; readonly time: number }
  | { readonly kind: 'freeze'; readonly time: number }
  | { readonly kind: 'attack'; readonly attack: Attack }
  /** The source's disks are imaged; later it is set back to what they were. */
  | { readonly kind: 'image' }
  | { readonly kind: 'set-back' }
  | { readonly kind: 'rot'; readonly place: RotPlace }
);

/** Kinds of trouble that a scenario may have; the more, the wilder. */
export interface Mix {
  readonly deaths: number;
  readonly ioErrors: number;
  readonly rooms: number;
  readonly clocks: number;
  readonly weathers: number;
  readonly attacks: number;
}
