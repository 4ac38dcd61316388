/**
 * File names in a group's buffer folder. They are a contract between the sites; ordering is by the numbers in them.
 *
 *     journal/  EEEEEEEE-FFFFFFFFFFFFFFFF.open                    open segment (epoch, first LSN)
 *               EEEEEEEE-FFFFFFFFFFFFFFFF-LLLLLLLLLLLLLLLL.seg    sealed (epoch, first LSN, last LSN)
 *     inbox/    NAME.seg.part while arriving, NAME.seg when complete
 *     outbox/   what the other side fetches, where only this side has a file server: NAME.seg.part, NAME.seg
 *     outbox-status/  destination.json, which the other side puts there: what it has received
 */
import { epoch, lsn, type Epoch, type Lsn } from './ids.ts';

export interface SegmentRange {
  readonly epoch: Epoch;
  readonly first: Lsn;
  readonly last: Lsn;
}

export const INBOX_FOLDER = 'inbox';
export const JOURNAL_FOLDER = 'journal';
export const STATUS_FOLDER = 'status';
export const OUTBOX_FOLDER = 'outbox';
export const OUTBOX_STATUS_FOLDER = 'outbox-status';
export const SET_ASIDE_FOLDER = 'set-aside';
export const STATUS_FILE = 'destination.json';
/** Ends the name of a file that is still being written. */
export const PART_SUFFIX = '.part';

const SEALED = /^([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{16})\.seg$/;
const OPEN = /^([0-9a-f]{8})-([0-9a-f]{16})\.open$/;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

export function sealedName(range: SegmentRange): string {
  return `${hex(range.epoch, 8)}-${hex(range.first, 16)}-${hex(range.last, 16)}.seg`;
}

export function openName(start: { readonly epoch: Epoch; readonly first: Lsn }): string {
  return `${hex(start.epoch, 8)}-${hex(start.first, 16)}.open`;
}

/** The range that a sealed segment's name states, or undefined if it is no such name (a range must not be empty or past 2^53). */
export function parseSealedName(name: string): SegmentRange | undefined {
  const match = SEALED.exec(name);
  if (match === null) return undefined;
  const [first, last] = [parseLsn(match[2]), parseLsn(match[3])];
  if (first === undefined || last === undefined || first < 1 || last < first) return undefined;
  return { epoch: epoch(Number.parseInt(match[1] ?? '', 16)), first, last };
}

export function parseOpenName(name: string): { readonly epoch: Epoch; readonly first: Lsn } | undefined {
  const match = OPEN.exec(name);
  if (match === null) return undefined;
  const first = parseLsn(match[2]);
  if (first === undefined || first < 1) return undefined;
  return { epoch: epoch(Number.parseInt(match[1] ?? '', 16)), first };
}

function parseLsn(digits: string | undefined): Lsn | undefined {
  const value = Number.parseInt(digits ?? '', 16);
  return Number.isSafeInteger(value) ? lsn(value) : undefined;
}

/** Order of replication: by epoch, then by LSN. */
export function compareRanges(a: SegmentRange, b: SegmentRange): number {
  return a.epoch - b.epoch || a.first - b.first || a.last - b.last;
}
