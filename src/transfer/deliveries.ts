/**
 * What a link knows of the segments that it sent and that are not confirmed, and whether that can be relied on: after a
 * start or a failure it is in doubt until somebody has looked into the destination's inbox.
 */
import { LSN_NONE, type Lsn } from '../journal/ids.ts';
import type { DestinationStatus } from '../journal/status.ts';
import type { Clock } from '../platform/clock.ts';
import {
  afterStatus,
  isStalled,
  reconcile,
  segmentsToSend,
  type Delivery,
  type LinkSegment,
  type ReconcileFacts,
  type SendFacts,
} from './planner.ts';

/** A look into the inbox: what happens after its beginning it does not show. */
export interface Look {
  readonly at: number;
  readonly doubts: number;
}

export class Deliveries {
  readonly #clock: Clock;
  #deliveries = new Map<string, Delivery>();
  /** Counts what puts the deliveries in doubt. */
  #doubts = 1;
  #settled = 0;
  #heardAt: number;
  #begun: Lsn = LSN_NONE;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardAt = clock.monotonic();
  }

  /** The last record of the segments whose sending began. */
  get begun(): Lsn {
    return this.#begun;
  }

  get inDoubt(): boolean {
    return this.#settled !== this.#doubts;
  }

  /** Something was delivered, and nothing was heard of it for long. */
  get stalled(): boolean {
    return isStalled(this.#deliveries, this.#heardAt, this.#clock.monotonic());
  }

  has(name: string): boolean {
    return this.#deliveries.has(name);
  }

  due(facts: Omit<SendFacts, 'now' | 'deliveries'>): LinkSegment[] {
    return segmentsToSend({ ...facts, deliveries: this.#deliveries, now: this.#clock.monotonic() });
  }

  begin({ range }: LinkSegment): void {
    if (range.last > this.#begun) this.#begun = range.last;
  }

  /** `refusal`: the refusal of its range that was known when its send began. */
  sent(name: string, refusal: number | undefined): void {
    const sends = (this.#deliveries.get(name)?.sends ?? 0) + 1;
    this.#deliveries.set(name, { at: this.#clock.monotonic(), witness: undefined, refusal, sends });
  }

  /** It may have been replaced by half of it: the next look into the inbox tells. */
  cut(name: string): void {
    this.#deliveries.delete(name);
  }

  doubt(): void {
    this.#doubts += 1;
  }

  /** The destination has received more. */
  heard(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  /** `readAt`: when the reading of this status began. */
  confirmedBy(status: DestinationStatus, segments: readonly LinkSegment[], readAt: number): void {
    this.#deliveries = afterStatus(this.#deliveries, segments, status, readAt);
  }

  look(): Look {
    return { at: this.#clock.monotonic(), doubts: this.#doubts };
  }

  /** Returns how many are gone, neither confirmed nor there. What was doubted since the look began is in doubt still. */
  settle(look: Look, facts: Omit<ReconcileFacts, 'deliveries' | 'listedAt'>): number {
    const before = this.#deliveries;
    this.#deliveries = reconcile({ ...facts, deliveries: before, listedAt: look.at });
    this.#settled = look.doubts;
    this.heard();
    return [...before.keys()].filter((name) => !this.#deliveries.has(name)).length;
  }
}
