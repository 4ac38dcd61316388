/**
 * The numbers that order everything. Distinct types, so that an LSN is never added to a byte offset.
 * All are integers below 2^53; in files they are unsigned 64-bit (an epoch 32-bit), in names hexadecimal.
 */
export type Lsn = number & { readonly __brand: 'Lsn' };
export type Epoch = number & { readonly __brand: 'Epoch' };

/** Before the first record: nothing received, nothing applied. */
export const LSN_NONE = 0 as Lsn;
export const LSN_MAX = Number.MAX_SAFE_INTEGER as Lsn;

export function lsn(value: number): Lsn {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an LSN: ${value}`);
  return value as Lsn;
}

export function epoch(value: number): Epoch {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`not an epoch: ${value}`);
  return value as Epoch;
}

export function next(value: Lsn): Lsn {
  return lsn(value + 1);
}

/** A consistency group as its journal knows it. Ids are 32 lower-case hexadecimal digits, made at random once. */
export interface GroupIdentity {
  readonly name: string;
  readonly id: string;
}

/** An epoch with the random id that tells it from another side's epoch of the same number. */
export interface EpochIdentity {
  readonly number: Epoch;
  readonly id: string;
}

/** At most this many volumes in a group: a volume's index is one byte in a record, and 64 are served. */
export const VOLUMES_PER_GROUP_MAX = 64;

/** A volume's place in its group's records, 0 to 63; given once and never to another volume of the group. */
export type VolumeIndex = number & { readonly __brand: 'VolumeIndex' };

/** What an attach record says of one volume. `size` in bytes, a multiple of 512. */
export interface AttachedVolume {
  readonly index: VolumeIndex;
  readonly name: string;
  readonly size: number;
}
