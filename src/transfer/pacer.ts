/** Lets bytes of several streams out at the rate that holds, each stream at its share. */
import type { Clock } from '../platform/clock.ts';
import { FairShare, type Party, type Turn } from './schedule/fair-share.ts';
import { sameLimit, UNLIMITED, type Limit } from './schedule/limit.ts';
import { newBucket, pieceOf, take, type TokenBucket } from './schedule/token-bucket.ts';
import { cancelled } from './transports/refusals.ts';

interface Waiting extends Turn {
  readonly grant: (bytes: number) => void;
}

export interface PacerOptions {
  /** What holds now; asked before every grant. */
  readonly limit: () => Limit;
  /** Bytes: see `burstOf`. */
  readonly burstMax: number;
  readonly copyShare: number;
}

export class Pacer {
  readonly #clock: Clock;
  #options: PacerOptions;
  readonly #share: FairShare;
  #waiting: Waiting[] = [];
  #limit: Limit = UNLIMITED;
  #bucket: TokenBucket | undefined;
  #timer: { cancel(): void } | undefined;

  constructor(clock: Clock, options: PacerOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#share = new FairShare(options.copyShare);
  }

  configure(options: PacerOptions): void {
    this.#options = options;
    this.#share.copyShare = options.copyShare;
    this.#bucket = undefined;
    this.serve();
  }

  /** As {@link Pace} says. While the limit is `closed` nothing is granted. */
  pace(party: Party, wanted: number, signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((entry) => entry !== waiting);
        reject(cancelled(`waiting for its share of the rate: ${party.stream}`));
      };
      const waiting: Waiting = {
        party,
        cost: wanted,
        grant: (bytes) => {
          signal.removeEventListener('abort', leave);
          resolve(bytes);
        },
      };
      if (signal.aborted) {
        leave();
        return;
      }
      signal.addEventListener('abort', leave);
      this.#waiting.push(waiting);
      this.serve();
    });
  }

  /** The limit may be another. */
  serve(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (;;) {
      // First: a limit that has just changed is served from within.
      const limit = this.#options.limit();
      const next = this.#share.next(this.#waiting);
      if (next === undefined) return;
      const bytes = this.#grantable(limit, next.cost);
      if (bytes === 0) return;
      this.#share.charge({ party: next.party, cost: bytes });
      this.#waiting = this.#waiting.filter((entry) => entry !== next);
      next.grant(bytes);
    }
  }

  /** Bytes that may go now; 0 when none may, and then this comes back by itself once some may. */
  #grantable(limit: Limit, wanted: number): number {
    const now = this.#clock.monotonic();
    if (!sameLimit(limit, this.#limit)) {
      this.#limit = limit;
      this.#bucket = undefined;
    }
    if (limit.kind === 'closed') return 0;
    if (limit.kind !== 'rate') return wanted;
    const bucket = this.#bucket ?? newBucket(limit.bytesPerSecond, this.#options.burstMax, now);
    const bytes = Math.min(wanted, pieceOf(bucket));
    const taken = take(bucket, bytes, now);
    this.#bucket = taken.bucket;
    if (taken.wait === 0) return bytes;
    this.#timer = this.#clock.after(Math.ceil(taken.wait), () => this.serve());
    return 0;
  }
}
