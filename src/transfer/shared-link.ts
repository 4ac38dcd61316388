/**
 * What the streams of one link share: its schedule, its rate and its number of files at once. It knows the time at which the
 * limit changes, tells whoever listens, and lets nothing through while it is closed.
 */
import { sleep, type Clock } from '../platform/clock.ts';
import type { Closure, LinkHours } from './link-session.ts';
import { Pacer } from './pacer.ts';
import type { Party, Turn } from './schedule/fair-share.ts';
import { sameLimit, UNLIMITED, type Limit } from './schedule/limit.ts';
import { Schedule, type Week } from './schedule/schedule.ts';
import { burstOf } from './schedule/token-bucket.ts';
import { Turns } from './turns.ts';

export interface SharedLinkSettings {
  /** Undefined: always open, without a limit. */
  readonly week: Week | undefined;
  /** Files under way at once, of all its streams together. */
  readonly files: number;
  /** 0 to 1: what initial copies and resync keep of the link while live writes wait. */
  readonly copyShare: number;
  /** Bytes: the smallest segment size of its groups. */
  readonly burstMax: number;
}

export interface LimitReport {
  readonly limit: Limit;
  /** Bytes that may go out at once; of a rate alone. */
  readonly burst?: number;
  /** When another limit holds; undefined when never. */
  readonly until?: number;
  /** While it is closed: when it is open again; undefined when never. */
  readonly opensAt?: number;
}

/** Milliseconds after which it looks at the wall clock again, which may have been set. Whatever is sent looks at it too. */
const LOOK = 60_000;

export class SharedLink implements LinkHours {
  readonly #clock: Clock;
  readonly #allLinks: Turns;
  readonly #turns: Turns;
  readonly #pacer: Pacer;
  readonly #listeners = new Set<() => void>();
  #settings: SharedLinkSettings;
  #schedule: Schedule | undefined;
  /** The limit, and the time for which it is known to hold. */
  #known: { readonly limit: Limit; readonly from: number; readonly until: number } | undefined;
  #timer: { cancel(): void } | undefined;
  /** Monotonic: when the last file ended. */
  #endedAt = Number.NEGATIVE_INFINITY;
  /** Aborted, and replaced, when the limit changes. */
  #change = new AbortController();

  /** `allLinks`: the daemon's cap on files at once. */
  constructor(clock: Clock, allLinks: Turns, settings: SharedLinkSettings) {
    this.#clock = clock;
    this.#allLinks = allLinks;
    this.#settings = settings;
    this.#schedule = scheduleOf(settings);
    this.#turns = new Turns(settings.files, settings.copyShare);
    this.#pacer = new Pacer(clock, this.#pacerOptions());
    this.#look();
  }

  /** From now on, without dropping what is under way unless the link is closed by it. */
  configure(settings: SharedLinkSettings): void {
    this.#settings = settings;
    this.#schedule = scheduleOf(settings);
    this.#known = undefined;
    this.#pacer.configure(this.#pacerOptions());
    this.#look();
    this.#changed();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  get limit(): Limit {
    const now = this.#clock.now();
    const known = this.#known;
    if (known !== undefined && now >= known.from && now < known.until) return known.limit;
    const limit = this.#schedule?.limitAt(now) ?? UNLIMITED;
    this.#known = { limit, from: now, until: this.#schedule?.nextChange(now) ?? Infinity };
    if (known !== undefined && !sameLimit(known.limit, limit)) this.#changed();
    return limit;
  }

  report(): LimitReport {
    const { limit } = this;
    const until = this.#known?.until ?? Infinity;
    const opensAt = limit.kind === 'closed' ? this.#schedule?.nextOpening(this.#clock.now()) : undefined;
    return {
      limit,
      ...(limit.kind === 'rate' ? { burst: burstOf(limit.bytesPerSecond, this.#settings.burstMax) } : {}),
      ...(until === Infinity ? {} : { until }),
      ...(opensAt === undefined ? {} : { opensAt }),
    };
  }

  closure(): Closure | undefined {
    if (this.limit.kind !== 'closed') return undefined;
    const opensAt = this.#schedule?.nextOpening(this.#clock.now());
    const until = opensAt === undefined ? 'for ever' : `until ${this.#schedule?.timeText(opensAt) ?? ''}`;
    return { message: `the schedule has the link closed ${until}`, opensAt };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Does `work`, the sending of one file, when it is its turn. @throws TransportError `Cancelled` while it waits */
  send<T>(turn: Turn, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(turn, signal, async () => {
      await this.#pause(signal);
      try {
        return await this.#allLinks.take(turn, signal, work);
      } finally {
        this.#endedAt = this.#clock.monotonic();
      }
    });
  }

  /** As {@link Pace} says, of one stream's bytes. */
  pace(party: Party, wanted: number, signal: AbortSignal): Promise<number> {
    return this.#pacer.pace(party, wanted, signal);
  }

  #pacerOptions(): ConstructorParameters<typeof Pacer>[1] {
    const { burstMax, copyShare } = this.#settings;
    return { limit: () => this.limit, burstMax, copyShare };
  }

  /** Between two files, when the limit is a delay. */
  async #pause(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { limit } = this;
      if (limit.kind !== 'delay' || signal.aborted) return;
      const left = this.#endedAt + limit.milliseconds - this.#clock.monotonic();
      if (left <= 0) return;
      const woken = new AbortController();
      const wake = (): void => woken.abort();
      signal.addEventListener('abort', wake);
      const change = this.#change.signal;
      change.addEventListener('abort', wake);
      await sleep(this.#clock, left, woken.signal);
      signal.removeEventListener('abort', wake);
      change.removeEventListener('abort', wake);
    }
  }

  #look(): void {
    this.#timer?.cancel();
    const { limit } = this;
    const { files, copyShare } = this.#settings;
    this.#turns.configure(limit.kind === 'delay' ? 1 : files, copyShare);
    if (this.#known === undefined || this.#known.until === Infinity) return;
    const left = this.#known.until - this.#clock.now();
    this.#timer = this.#clock.after(Math.max(1, Math.min(LOOK, left)), () => this.#look());
  }

  #changed(): void {
    this.#change.abort();
    this.#change = new AbortController();
    this.#look();
    this.#pacer.serve();
    for (const listener of this.#listeners) listener();
  }
}

function scheduleOf({ week }: SharedLinkSettings): Schedule | undefined {
  return week === undefined ? undefined : new Schedule(week);
}
