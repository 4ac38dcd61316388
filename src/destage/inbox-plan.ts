/** What to do with what lies in the inbox. Pure. */
import type { Epoch, Lsn } from '../journal/ids.ts';
import { lsn, next } from '../journal/ids.ts';
import { compareRanges, parseSealedName, type SegmentRange } from '../journal/names.ts';

/** Ranges that a status file names as missing at most. */
export const MISSING_MAX = 1000;

export interface InboxEntry {
  readonly name: string;
  readonly range: SegmentRange;
}

export interface InboxPlan {
  /** Already received: to be deleted. */
  readonly duplicates: readonly InboxEntry[];
  /** To be received now: begins right behind what was received. */
  readonly next: InboxEntry | undefined;
  /** Waits for what lies before it (I3). */
  readonly early: readonly InboxEntry[];
  /** Cannot be of this journal: another epoch, or a range that begins inside what was received and ends behind it. */
  readonly foreign: readonly { readonly entry: InboxEntry; readonly reason: string }[];
  /** Names that are neither segments nor parts of them. */
  readonly odd: number;
  /** Ranges between what was received and what came early. */
  readonly missing: readonly { readonly first: Lsn; readonly last: Lsn }[];
}

/** `epoch`: the journal's, undefined before its first segment, when the lowest of what is there begins it. */
export function planInbox(names: readonly string[], received: Lsn, epoch: Epoch | undefined): InboxPlan {
  const entries: InboxEntry[] = [];
  let odd = 0;
  for (const name of names) {
    const range = parseSealedName(name);
    if (range !== undefined) entries.push({ name, range });
    else if (!name.endsWith('.seg.part')) odd += 1;
  }
  entries.sort((a, b) => compareRanges(a.range, b.range));
  const ours = epoch ?? entries[0]?.range.epoch;
  const duplicates: InboxEntry[] = [];
  const foreign: { entry: InboxEntry; reason: string }[] = [];
  const ahead: InboxEntry[] = [];
  for (const entry of entries) {
    const { range } = entry;
    if (range.epoch !== ours) {
      foreign.push({
        entry,
        reason: `it is of epoch ${range.epoch}; this destination follows epoch ${ours ?? 0}`,
      });
    } else if (range.last <= received) duplicates.push(entry);
    else if (range.first <= received) {
      foreign.push({
        entry,
        reason: `it covers records ${range.first} to ${range.last}, but all up to ${received} are here already`,
      });
    } else ahead.push(entry);
  }
  const begin = ahead[0]?.range.first === received + 1 ? ahead[0] : undefined;
  const early = begin === undefined ? ahead : ahead.slice(1);
  return {
    duplicates,
    next: begin,
    early,
    foreign,
    odd,
    missing: holes(begin?.range.last ?? received, early),
  };
}

function holes(received: Lsn, early: readonly InboxEntry[]): { first: Lsn; last: Lsn }[] {
  const missing: { first: Lsn; last: Lsn }[] = [];
  let reached = received;
  for (const { range } of early) {
    if (range.first > reached + 1) missing.push({ first: next(reached), last: lsn(range.first - 1) });
    if (range.last > reached) reached = range.last;
    if (missing.length === MISSING_MAX) break;
  }
  return missing;
}
