import type { DestinationStatus } from '../journal/status.ts';
import type { Clock } from '../platform/clock.ts';
import { FROM_DESTINATION } from '../platform/wait-codes.ts';
import type { StatusReading } from './link-status.ts';
import type { LinkCode, LinkWait } from './link-troubles.ts';
import type { LinkSegment } from './planner.ts';

/** What stands in the way without the link having failed; of each kind there is one at a time, or none. */
export type NoticeKind = 'schedule' | 'status' | 'room' | 'destination' | 'gone' | 'noting';

export interface Notice {
  readonly code: LinkCode;
  readonly message: string;
  /** Milliseconds since 1970, when somebody else knows better. */
  readonly since?: number;
  readonly endsAt?: number | undefined;
}

/** What is wrong with its word. */
export function statusNotice(reading: StatusReading): Notice | undefined {
  if (reading.kind === 'accepted') return undefined;
  if (reading.kind !== 'serving') return reading;
  const { epoch, at } = reading.status;
  const since = new Date(at).toISOString();
  return {
    code: 'peer-serves',
    message: `the other side serves hosts since ${since}, in epoch ${epoch.number}`,
  };
}

/** What it waits for itself. */
export function destinationNotice({ waiting }: DestinationStatus): Notice | undefined {
  return waiting && { ...waiting, code: `${FROM_DESTINATION}${waiting.code}` };
}

/** A destination that was set back, or began later, lacks records that nobody keeps any more: sending cannot help it. */
export function goneNotice(
  segments: readonly LinkSegment[],
  { received, resync }: DestinationStatus,
): Notice | undefined {
  const [oldest] = segments;
  if (resync?.anew === true || oldest === undefined || oldest.range.first <= received + 1) return undefined;
  const message = `the destination lacks records ${received + 1} to ${oldest.range.first - 1}, which are kept here no longer: \`blockferry rejoin\` there goes on without them, and brings over all that differs; or restore it from a newer backup`;
  return { code: 'records-gone', message };
}

export class LinkNotices {
  readonly #clock: Clock;
  readonly #onNew: (notice: Notice) => void;
  readonly #notices = new Map<NoticeKind, LinkWait>();

  constructor(clock: Clock, onNew: (notice: Notice) => void) {
    this.#clock = clock;
    this.#onNew = onNew;
  }

  set(kind: NoticeKind, notice: Notice | undefined): void {
    if (notice === undefined) {
      this.#notices.delete(kind);
      return;
    }
    const { code, message, endsAt } = notice;
    const before = this.#notices.get(kind);
    const same = before?.code === code ? before : undefined;
    const now = this.#clock.now();
    const since = Math.min(now, notice.since ?? same?.since ?? now);
    this.#notices.set(kind, { code, message, since, ...(endsAt === undefined ? {} : { endsAt }) });
    // The destination logs for itself what it waits for; a hole comes and goes with files that overtake each other.
    // That a schedule closes a link is nothing to warn of.
    if (same === undefined && kind !== 'destination' && kind !== 'schedule') this.#onNew(notice);
  }

  list(): LinkWait[] {
    return [...this.#notices.values()];
  }
}
