/**
 * Takes closed raw segments through sealing and then through destaging, each in order, one step at a time.
 *
 * A step that fails is tried again and holds up its own stage alone: while a volume is offline all that is in the journal is
 * still sealed, and so reaches the destinations.
 */
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { Clock, Timer } from '../../platform/clock.ts';

/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;

export type RawStage = 'seal' | 'destage';

export interface QueuedRaw {
  readonly raw: ClosedRaw;
  readonly generation: number;
}

/** Both may be called again for the same segment, when they failed or their caller did. */
export interface RawSteps {
  readonly seal: (item: QueuedRaw) => Promise<void>;
  readonly destage: (item: QueuedRaw) => Promise<void>;
  readonly onFailed: (stage: RawStage, error: unknown) => void;
}

export class RawStages {
  readonly #clock: Clock;
  readonly #steps: RawSteps;
  readonly #queues: Record<RawStage, QueuedRaw[]> = { seal: [], destage: [] };
  readonly #retries = new Map<RawStage, Timer>();
  #under: { readonly stage: RawStage; readonly since: number } | undefined;
  #running = false;
  #added = false;
  #stopped = false;
  #settledWaiters: (() => void)[] = [];

  constructor(clock: Clock, steps: RawSteps) {
    this.#clock = clock;
    this.#steps = steps;
  }

  /** Raw segments that a stage has still to see. */
  left(): Record<RawStage, number> {
    const seal = this.#queues.seal.length;
    return { seal, destage: seal + this.#queues.destage.length };
  }

  /** Bytes of the journal that are still to be sealed. */
  get unsealed(): number {
    return this.#queues.seal.reduce((sum, { raw }) => sum + raw.end, 0);
  }

  add(item: QueuedRaw): void {
    this.#queues.seal.push(item);
    void this.#run();
  }

  /** The step that has been under way for so many milliseconds. */
  takesLonger(limit: number): RawStage | undefined {
    const { stage, since } = this.#under ?? {};
    return since !== undefined && this.#clock.monotonic() - since >= limit ? stage : undefined;
  }

  /** Resolves when nothing is under way: nothing is left, or what is left has failed and waits to be tried again. */
  settled(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#settledWaiters.push(resolve));
  }

  /** The same, or after so many milliseconds. */
  async settledWithin(limit: number): Promise<void> {
    const late = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(limit, () => late.resolve(undefined));
    await Promise.race([this.settled(), late.promise]);
    timer.cancel();
  }

  /** Nothing more is begun. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#retries.values()) timer.cancel();
  }

  async #run(): Promise<void> {
    this.#added = true;
    if (this.#running) return;
    this.#running = true;
    for (let moved = true; moved || this.#hasMore();) {
      this.#added = false;
      // In turn, so that both find the segment in memory.
      const sealed = await this.#step('seal');
      const destaged = await this.#step('destage');
      moved = sealed || destaged;
    }
    this.#running = false;
    for (const resolve of this.#settledWaiters.splice(0)) resolve();
  }

  #hasMore(): boolean {
    return this.#added;
  }

  async #step(stage: RawStage): Promise<boolean> {
    const item = this.#queues[stage][0];
    if (item === undefined || this.#stopped || this.#retries.has(stage)) return false;
    this.#under = { stage, since: this.#clock.monotonic() };
    try {
      await this.#steps[stage](item);
    } catch (error) {
      this.#steps.onFailed(stage, error);
      this.#retries.set(
        stage,
        this.#clock.after(RETRY, () => {
          this.#retries.delete(stage);
          void this.#run();
        }),
      );
      return false;
    } finally {
      this.#under = undefined;
    }
    this.#queues[stage].shift();
    if (stage === 'seal') this.#queues.destage.push(item);
    return true;
  }
}
