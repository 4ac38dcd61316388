/**
 * What a link sends next. Pure: facts in, decision out; times are monotonic milliseconds.
 *
 * A segment is sent in order, once, and again only for a reason: the destination says that it is missing or was refused,
 * or it has vanished (neither confirmed nor in the destination's inbox), which covers restarts, lost files and a file
 * server that was set back.
 */
import type { Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import type { DestinationStatus } from '../journal/status.ts';

export interface LinkSegment {
  readonly name: string;
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
}

/** What this process knows of a segment that it sent, or that it found in the destination's inbox. */
export interface Delivery {
  readonly at: number;
  /** The newest status that was known then. */
  readonly statusSequence: number;
  /** Times that it was sent. */
  readonly sends: number;
}

export interface PlanFacts {
  readonly now: number;
  readonly segments: readonly LinkSegment[];
  readonly deliveries: ReadonlyMap<string, Delivery>;
  /** Names under way now. */
  readonly sending: ReadonlySet<string>;
  readonly status: DestinationStatus | undefined;
}

/** Milliseconds before a segment that was sent again is sent once more, doubled with every time, and the longest. */
const AGAIN_FIRST = 1000;
const AGAIN_MAX = 60_000;

/** The segments to send now, in order. */
export function segmentsToSend(facts: PlanFacts): LinkSegment[] {
  const { status } = facts;
  if (status?.full === true) return [];
  return outstanding(facts.segments, status).filter((segment) => {
    if (facts.sending.has(segment.name)) return false;
    const delivery = facts.deliveries.get(segment.name);
    if (delivery === undefined) return true;
    // Only a status written after the delivery can know of it.
    if (status === undefined || status.sequence <= delivery.statusSequence) return false;
    const pause = Math.min(AGAIN_MAX, AGAIN_FIRST * 2 ** Math.min(delivery.sends, 10));
    return facts.now - delivery.at >= pause && askedFor(segment, status);
  });
}

/** I5: what the destination has durably received is done with; everything else is not. */
export function outstanding(
  segments: readonly LinkSegment[],
  status: DestinationStatus | undefined,
): LinkSegment[] {
  const received = status?.received ?? (0 as Lsn);
  return segments.filter((segment) => segment.range.last > received);
}

/**
 * Deliveries as they stand after looking into the destination's inbox, and at its status after that: what lies there whole
 * is delivered, whoever sent it; what does not, and was sent longer than `grace` ago, was lost.
 */
export function reconcile(
  facts: Omit<PlanFacts, 'sending'>,
  listing: ReadonlyMap<string, number>,
  grace: number,
): Map<string, Delivery> {
  const deliveries = new Map<string, Delivery>();
  const statusSequence = facts.status?.sequence ?? 0;
  for (const segment of outstanding(facts.segments, facts.status)) {
    const before = facts.deliveries.get(segment.name);
    if (listing.get(segment.name) === segment.bytes) {
      deliveries.set(segment.name, before ?? { at: facts.now, statusSequence, sends: 0 });
    } else if (before !== undefined && facts.now - before.at < grace) {
      deliveries.set(segment.name, before);
    }
  }
  return deliveries;
}

function askedFor(segment: LinkSegment, status: DestinationStatus): boolean {
  const { first, last } = segment.range;
  const overlaps = (range: { readonly first: Lsn; readonly last: Lsn }): boolean =>
    range.first <= last && range.last >= first;
  return status.missing.some(overlaps) || status.refused.some(overlaps);
}
