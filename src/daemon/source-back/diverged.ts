/** What a source's hosts wrote behind a fork point, which the side that took over there does not have. */
import type { ChangeMap } from '../../capture/change-map.ts';
import type { ForkPoint } from '../../journal/fork.ts';
import type { EpochIdentity, VolumeIndex } from '../../journal/ids.ts';
import { unpackRegions } from '../../journal/packed-regions.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../journal/record.ts';
import { openSegment } from '../../journal/segment/reader.ts';
import type { SegmentReader } from '../../journal/segment/segment.ts';
import type { SourceCheckpoint } from '../../journal/source-files.ts';
import type { Resync } from '../../journal/status.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { findSealed } from './sealed-file.ts';

export interface Diverged {
  /** Writes and trims. Of what was only marked, not in the replication files, their number is not known. */
  readonly writes: number;
  /** Bytes of the volumes that may differ, in whole regions. */
  readonly bytes: number;
  /** Of each volume that has any. */
  readonly volumes: readonly { readonly name: string; readonly bytes: number }[];
  /** The source's clock at the first and the last of them, milliseconds since 1970; undefined: none is in a replication file. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** Where the other side's history parts from this one's. */
export interface Parting {
  readonly fork: ForkPoint;
  /** Where this side's own epoch began, if that was a takeover. */
  readonly began: ForkPoint | undefined;
}

export interface DivergedOptions {
  readonly folder: string;
  readonly key: Buffer | undefined;
  readonly epoch: EpochIdentity;
  readonly volumes: readonly { readonly index: VolumeIndex; readonly name: string }[];
  readonly checkpoint: SourceCheckpoint;
}

/**
 * Marks it in the map, durably; nothing may be left to be sealed. To be done again after a crash.
 * @throws OperatorError `HISTORIES_DIFFER` the other side's fork point is not of this journal; SegmentRefused
 */
export function markDiverged(
  files: Files,
  map: ChangeMap,
  { fork, began }: Parting,
  options: DivergedOptions,
): Diverged {
  const { checkpoint, epoch, folder, key } = options;
  let [writes, from, to]: [number, number | undefined, number | undefined] = [0, undefined, undefined];
  // A side that was set back has less than it sent: what it lacks is not asked for by marking what it has.
  const isOurs = fork.epoch.id === epoch.id || (began !== undefined && isSame(fork, began));
  if (!isOurs || checkpoint.digested < fork.lsn) throw differ(fork);
  if (checkpoint.shipped === fork.lsn && checkpoint.shippedDigest !== fork.digest) throw differ(fork);
  for (const { path, range } of findSealed(files, folder)) {
    if (range.last <= fork.lsn) continue;
    const reader = openSegment(files, path, key);
    try {
      const { header } = reader;
      if (header.first === fork.lsn + 1 && header.digestBefore !== fork.digest) throw differ(fork);
      const written = markSegment(reader, map, fork);
      writes += written;
      if (written > 0) from ??= header.firstTime;
      if (written > 0) to = header.lastTime;
    } finally {
      reader.close();
    }
  }
  map.sync();
  const volumes = options.volumes.map(({ index, name }) => ({ name, bytes: map.markedOf(index) }));
  return { writes, bytes: map.marked, volumes: volumes.filter(({ bytes }) => bytes > 0), from, to };
}

/** Marks what another side asks for, durably. @throws RangeError they are no volume's; the file system's errors */
export function markWanted(
  map: ChangeMap,
  { volumes, anew }: Resync,
  sizeOf: (index: VolumeIndex) => number,
): void {
  if (anew === true) map.markAll();
  for (const packed of volumes) {
    const index = packed.index as VolumeIndex;
    for (const { start, end } of unpackRegions(packed, sizeOf(index))) map.mark(index, start, end);
  }
  map.sync();
}

/** How many of them hosts wrote. */
function markSegment(reader: SegmentReader, map: ChangeMap, fork: ForkPoint): number {
  let writes = 0;
  for (const records of reader.frames()) {
    for (const record of records) {
      if (record.lsn <= fork.lsn || !isData(record)) continue;
      map.mark(record.volume, record.offset, record.offset + record.length);
      if ((record.flags & RecordFlag.fromVolume) === 0) writes += 1;
    }
  }
  return writes;
}

function isSame(one: ForkPoint, other: ForkPoint): boolean {
  return one.epoch.id === other.epoch.id && one.lsn === other.lsn && one.digest === other.digest;
}

function isData({ kind }: JournalRecord): boolean {
  return kind === RecordKind.write || kind === RecordKind.zero;
}

function differ({ epoch, lsn }: ForkPoint): OperatorError {
  return new OperatorError(
    'HISTORIES_DIFFER',
    `the other side took over at record ${lsn} of epoch ${epoch.number}, and its history up to there is not this side's`,
    {
      remedy:
        'one of the two was perhaps set back to an older image: compare both sides; to begin again, stop blockferry here and move the group folder away, for a full copy',
    },
  );
}
