/**
 * A seed file: a part of what a group's volumes hold, carried to a destination by hand. Its layout is that of a sealed segment
 * (segment/format.ts), so it is compressed, encrypted and authenticated as one is; what differs:
 *
 *     112   8  LSN of the init-begin record from which on the journal brings what the seed does not
 *     120   8  the same
 *     128  16  the seed's id
 *     144   4  the file's number in its seed, from 1
 *     148  60  zeros
 *
 * All of its records have that LSN, and copy what a volume holds.
 */
import type { Files, OpenFile } from '../../platform/files.ts';
import type { EpochIdentity, GroupIdentity, Lsn } from '../ids.ts';
import { FRAMES_MAX, SEED_FORMAT, TABLE_ENTRY_SIZE } from '../segment/format.ts';
import { openSegment } from '../segment/reader.ts';
import { SegmentRefused, type SegmentReader } from '../segment/segment.ts';
import { SegmentWriter, type SegmentOptions } from '../segment/writer.ts';

/** Files of one seed at most. */
export const SEED_FILES_MAX = 16_384;
/** Bytes of one. */
export const SEED_FILE_SIZE_MAX = 48 * 1024 ** 3;
export const SEED_FILE_SIZE_MIN = 8 * 1024 ** 2;

/** What a file can still grow by when its end is decided, but for its table: a piece, a frame that is not full. */
const END_MARGIN = 3 * 1024 ** 2;
/** The same, in frames: so many at least. */
const END_FRAMES = 8;

const NUMBER_DIGITS = 8;
const DIGEST_DIGITS = 64;

/** Which file of which seed it is. */
export interface SeedFileFacts {
  readonly group: GroupIdentity;
  readonly epoch: EpochIdentity;
  /** 32 hexadecimal digits. */
  readonly seed: string;
  readonly number: number;
  readonly begun: Lsn;
}

/** Whoever opened the file syncs and closes it. */
export function seedWriter(
  file: Pick<OpenFile, 'write'>,
  { group, epoch, seed, number, begun }: SeedFileFacts,
  recordSeed: number,
  options: SegmentOptions,
): SegmentWriter {
  const facts = {
    ...{ group, epoch, recordSeed, first: begun, last: begun, firstTime: 0, lastTime: 0 },
    digestBefore: placeOf(seed, number),
    digestAfter: '0'.repeat(DIGEST_DIGITS),
    overwrittenDropped: false,
  };
  return new SegmentWriter(file, facts, options, SEED_FORMAT);
}

/** Bytes that a file can still grow by when no more is added to it. */
export function seedFileEnd({ frames }: Pick<SegmentWriter, 'frames'>): number {
  return END_MARGIN + (frames + END_FRAMES) * TABLE_ENTRY_SIZE;
}

/** Whether it must end here. What compresses well fills its table, which nobody reads beyond a limit, long before the size. */
export function isSeedFileFull(writer: Pick<SegmentWriter, 'bytes' | 'frames'>, fileSize: number): boolean {
  return writer.bytes + seedFileEnd(writer) > fileSize || writer.frames + END_FRAMES > FRAMES_MAX;
}

/** @throws SegmentRefused also `FOREIGN`, when it is not the file that it is to be; the file system's errors */
export function openSeedFile(
  files: Files,
  path: string,
  key: Buffer | undefined,
  expected: SeedFileFacts,
): SegmentReader {
  const reader = openSegment(files, path, key, SEED_FORMAT);
  const { group, epoch, first, last, digestBefore } = reader.header;
  const isExpected =
    group.name === expected.group.name &&
    group.id === expected.group.id &&
    epoch.number === expected.epoch.number &&
    epoch.id === expected.epoch.id &&
    first === expected.begun &&
    last === expected.begun &&
    digestBefore === placeOf(expected.seed, expected.number);
  if (isExpected) return reader;
  reader.close();
  throw new SegmentRefused(
    'FOREIGN',
    `${path} is not file ${expected.number} of seed ${expected.seed} of group ${expected.group.name}`,
    'bring the drive as it was written',
  );
}

function placeOf(seed: string, number: number): string {
  return `${seed}${number.toString(16).padStart(NUMBER_DIGITS, '0')}`.padEnd(DIGEST_DIGITS, '0');
}
