/** What to do with what lies in the inbox. Pure. */
import type { Epoch, Lsn } from '../journal/ids.ts';
import { lsn, next } from '../journal/ids.ts';
import { compareRanges, type SegmentRange } from '../journal/names.ts';

/** Ranges that a status file names as missing at most. */
export const MISSING_MAX = 1000;

export interface InboxEntry {
  readonly name: string;
  readonly range: SegmentRange;
}

/**
 * `receive`: begins right behind what was received. `discard`: was received already. `refuse`: cannot be of this journal,
 * as it is of another epoch, or begins inside what was received and ends behind it.
 */
export type InboxStep =
  | { readonly kind: 'receive' | 'discard'; readonly entry: InboxEntry }
  | { readonly kind: 'refuse'; readonly entry: InboxEntry; readonly reason: string };

export interface InboxPlan {
  /** What is of another epoch. */
  readonly foreign: readonly InboxStep[];
  /** The rest in the order of the journal: each is to be judged when its turn comes. */
  readonly queue: readonly InboxEntry[];
  /** Ranges between what was received and what lies in the inbox. */
  readonly missing: readonly { readonly first: Lsn; readonly last: Lsn }[];
}

/** `epoch`: the journal's, undefined before its first segment, when the lowest of what is there begins it. */
export function planInbox(
  entries: readonly InboxEntry[],
  received: Lsn,
  epoch: Epoch | undefined,
): InboxPlan {
  const sorted = entries.toSorted((a, b) => compareRanges(a.range, b.range));
  const ours = epoch ?? sorted[0]?.range.epoch;
  const queue = sorted.filter(({ range }) => range.epoch === ours);
  const foreign = sorted.filter(({ range }) => range.epoch !== ours);
  return {
    foreign: foreign.map((entry) => ({
      kind: 'refuse',
      entry,
      reason: `it is of epoch ${entry.range.epoch}; this destination follows epoch ${ours ?? 0}`,
    })),
    queue,
    missing: holes(received, queue),
  };
}

/** What to do with the first of a queue; undefined when it waits for what lies before it (I3). */
export function judge(entry: InboxEntry, received: Lsn): InboxStep | undefined {
  const { first, last } = entry.range;
  if (last <= received) return { kind: 'discard', entry };
  if (first === received + 1) return { kind: 'receive', entry };
  if (first > received) return undefined;
  const reason = `it covers records ${first} to ${last}, but all up to ${received} are here already`;
  return { kind: 'refuse', entry, reason };
}

function holes(received: Lsn, queue: readonly InboxEntry[]): { first: Lsn; last: Lsn }[] {
  const missing: { first: Lsn; last: Lsn }[] = [];
  let reached = received;
  for (const { range } of queue) {
    // What begins inside what is there cannot be received and fills nothing.
    if (range.first <= received) continue;
    if (range.first > reached + 1) missing.push({ first: next(reached), last: lsn(range.first - 1) });
    if (range.last > reached) reached = range.last;
    if (missing.length === MISSING_MAX) break;
  }
  return missing;
}
