/**
 * What a link sends next. Pure: facts in, decision out; times are monotonic milliseconds.
 *
 * A segment is sent in order, once, and again only for a reason: the destination says that it is missing or was refused,
 * or it has vanished (neither confirmed nor in the destination's inbox), which covers restarts, lost files and a file
 * server that was set back.
 */
import { LSN_NONE, type Lsn } from '../journal/ids.ts';
import type { SegmentRange } from '../journal/names.ts';
import type { DestinationStatus } from '../journal/status.ts';

/** Milliseconds that a segment may be on its way from the inbox into the destination's status. */
export const GRACE = 10_000;
/** Milliseconds without a word on what was delivered, after which the destination's inbox is looked into. */
export const STALLED = 30_000;
/** Milliseconds before what went for nothing goes once more, doubled with every time, and the longest. */
const AGAIN_FIRST = 2000;
const AGAIN_MAX = 60_000;

export interface LinkSegment {
  readonly name: string;
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
}

/** A segment that this process sent, or found in the destination's inbox, and that is not confirmed. */
export interface Delivery {
  /** When it was last known to be there whole: its send had ended, or a listing that showed it had begun. */
  readonly at: number;
  /**
   * The sequence of the first status whose reading began after that; undefined until one was read. It may have been
   * written before the delivery; one with a higher number was not, and only that one can say that the segment is missing.
   */
  readonly witness: number | undefined;
  /** The refusal of its range that was known when its send began: still listed, it is no word on this delivery. */
  readonly refusal: number | undefined;
  /** Times that this process sent it. */
  readonly sends: number;
}

export interface SendFacts {
  readonly now: number;
  /** In order, as long as they are not freed. */
  readonly segments: readonly LinkSegment[];
  readonly deliveries: ReadonlyMap<string, Delivery>;
  /** Names under way now. */
  readonly sending: Pick<ReadonlySet<string>, 'has'>;
  readonly status: DestinationStatus | undefined;
  /** How many may be begun. */
  readonly slots: number;
  /** Bytes that may be begun or delivered and not be received yet. One segment may always be. */
  readonly ahead: number;
}

/** The segments to begin to send now, the earliest first. None while the destination is full. */
export function segmentsToSend(facts: SendFacts): LinkSegment[] {
  const { status, deliveries, sending } = facts;
  const chosen: LinkSegment[] = [];
  if (status?.full === true) return chosen;
  let ahead = 0;
  for (const segment of facts.segments) {
    if (chosen.length >= facts.slots) break;
    if (isReceived(segment, status)) continue;
    if (ahead > 0 && ahead + segment.bytes > facts.ahead) break;
    ahead += segment.bytes;
    if (sending.has(segment.name)) continue;
    const delivery = deliveries.get(segment.name);
    if (delivery === undefined || isDueAgain(segment, delivery, facts)) chosen.push(segment);
  }
  return chosen;
}

/** I5: what the destination has durably received is done with, on its word alone; everything else is not. */
export function outstanding(
  segments: readonly LinkSegment[],
  status: DestinationStatus | undefined,
): LinkSegment[] {
  return segments.filter((segment) => !isReceived(segment, status));
}

/** Which refusal of the segment's range the status names, by its time; undefined when none. */
export function refusalOf(segment: LinkSegment, status: DestinationStatus | undefined): number | undefined {
  return status?.refused.findLast((refused) => overlap(refused, segment.range))?.at;
}

/** Deliveries after `status` was read (again), by a reading that began at `readAt`: what it confirms is forgotten. */
export function afterStatus(
  deliveries: ReadonlyMap<string, Delivery>,
  segments: readonly LinkSegment[],
  status: DestinationStatus,
  readAt: number,
): Map<string, Delivery> {
  const left = new Map<string, Delivery>();
  for (const { name } of outstanding(segments, status)) {
    const delivery = deliveries.get(name);
    if (delivery === undefined) continue;
    const witnessed = delivery.witness === undefined && delivery.at < readAt;
    left.set(name, witnessed ? { ...delivery, witness: status.sequence } : delivery);
  }
  return left;
}

export interface ReconcileFacts {
  readonly segments: readonly LinkSegment[];
  readonly deliveries: ReadonlyMap<string, Delivery>;
  readonly status: DestinationStatus | undefined;
  /**
   * Whether the status is what the destination said after the listing. If it could not be used, nothing is taken for
   * lost: what the listing does not show may long be received.
   */
  readonly statusIsFresh: boolean;
  /** File name → bytes, of what lies in the inbox, and when the listing of it began. */
  readonly listing: ReadonlyMap<string, number>;
  readonly listedAt: number;
}

/**
 * Deliveries as they stand after looking into the destination's inbox, and at its status after that: what lies there whole
 * is delivered, whoever sent it; what does not, was there longer than `GRACE` ago and was not refused, was lost and is no
 * delivery any more.
 */
export function reconcile(facts: ReconcileFacts): Map<string, Delivery> {
  const { status, listedAt } = facts;
  const left = new Map<string, Delivery>();
  for (const segment of outstanding(facts.segments, status)) {
    const before = facts.deliveries.get(segment.name);
    if (facts.listing.get(segment.name) === segment.bytes) {
      const found = {
        witness: facts.statusIsFresh ? status?.sequence : undefined,
        refusal: refusalOf(segment, status),
        sends: 0,
      };
      left.set(segment.name, { ...(before ?? found), at: Math.max(before?.at ?? 0, listedAt) });
    } else if (before !== undefined) {
      const refused = isRefusedAgain(segment, before, status);
      if (refused || !facts.statusIsFresh || listedAt - before.at < GRACE) left.set(segment.name, before);
    }
  }
  return left;
}

/** Whether it is time to look into the inbox: something was delivered and nothing was heard of it. `heardAt`: of anything. */
export function isStalled(deliveries: ReadonlyMap<string, Delivery>, heardAt: number, now: number): boolean {
  if (deliveries.size === 0 || now - heardAt < STALLED) return false;
  return [...deliveries.values()].some((delivery) => now - delivery.at >= STALLED);
}

/** Milliseconds before what went `times` times for nothing goes once more. */
export function againPause(times: number): number {
  return times < 1 ? 0 : Math.min(AGAIN_MAX, AGAIN_FIRST * 2 ** Math.min(times - 1, 10));
}

function isReceived(segment: LinkSegment, status: DestinationStatus | undefined): boolean {
  return segment.range.last <= (status?.received ?? LSN_NONE);
}

function isDueAgain(segment: LinkSegment, delivery: Delivery, { status, now }: SendFacts): boolean {
  if (status === undefined || delivery.witness === undefined) return false;
  if (status.sequence <= delivery.witness) return false;
  // At once the first time; a segment that is refused whenever it comes must not fill the line for ever.
  if (now - delivery.at < againPause(delivery.sends - 1)) return false;
  return (
    isRefusedAgain(segment, delivery, status) || status.missing.some((range) => overlap(range, segment.range))
  );
}

function isRefusedAgain(
  segment: LinkSegment,
  delivery: Delivery,
  status: DestinationStatus | undefined,
): boolean {
  const refusal = refusalOf(segment, status);
  return refusal !== undefined && refusal !== delivery.refusal;
}

interface LsnRange {
  readonly first: Lsn;
  readonly last: Lsn;
}

function overlap(a: LsnRange, b: LsnRange): boolean {
  return a.first <= b.last && a.last >= b.first;
}
