/**
 * Takes closed raw segments through sealing, then through destaging, and then gives their files back to the hosts' thread, each
 * in order. Sealing and destaging are done by one thread, a step at a time; giving back is another's, and goes on beside them.
 *
 * A step that fails is tried again and holds up its own stage alone: while a volume is offline all that is in the journal is
 * still sealed, and so reaches the destinations.
 */
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { Clock, Timer } from '../../platform/clock.ts';

/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;

export type RawStage = 'seal' | 'destage' | 'release';

const NEXT: Readonly<Record<RawStage, RawStage | undefined>> = {
  seal: 'destage',
  destage: 'release',
  release: undefined,
};

/** Stages of which one step is under way at once. */
interface Turns {
  readonly stages: readonly RawStage[];
  running: boolean;
  /** There may be more to do than it saw. */
  added: boolean;
}

export interface QueuedRaw {
  readonly raw: ClosedRaw;
  readonly generation: number;
}

/** Both may be called again for the same segment, when they failed or their caller did. */
export interface RawSteps {
  readonly seal: (item: QueuedRaw) => Promise<void>;
  readonly destage: (item: QueuedRaw) => Promise<void>;
  readonly release: (item: QueuedRaw) => Promise<void>;
  readonly onFailed: (stage: RawStage, error: unknown) => void;
}

export class RawStages {
  readonly #clock: Clock;
  readonly #steps: RawSteps;
  readonly #queues: Record<RawStage, QueuedRaw[]> = { seal: [], destage: [], release: [] };
  readonly #retries = new Map<RawStage, Timer>();
  readonly #under = new Map<RawStage, number>();
  /** Sealing and destaging in turn, so that both find the segment in memory. */
  readonly #turns: readonly Turns[] = [
    { stages: ['seal', 'destage'], running: false, added: false },
    { stages: ['release'], running: false, added: false },
  ];
  #stopped = false;
  #settledWaiters: (() => void)[] = [];

  constructor(clock: Clock, steps: RawSteps) {
    this.#clock = clock;
    this.#steps = steps;
  }

  /** Raw segments that are still to be sealed, and those that are still to be destaged and given back. */
  left(): Record<'seal' | 'destage', number> {
    const { seal, destage, release } = this.#queues;
    return { seal: seal.length, destage: seal.length + destage.length + release.length };
  }

  /** Bytes of the journal that are still to be sealed. */
  get unsealed(): number {
    return this.#queues.seal.reduce((sum, { raw }) => sum + raw.end, 0);
  }

  add(item: QueuedRaw): void {
    this.#enter('seal', item);
  }

  /** The step that has been under way for so many milliseconds. */
  takesLonger(limit: number): RawStage | undefined {
    const latest = this.#clock.monotonic() - limit;
    return [...this.#under].find(([, since]) => since <= latest)?.[0];
  }

  /** Resolves when nothing is under way: nothing is left, or what is left has failed and waits to be tried again. */
  settled(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve();
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

  get #isRunning(): boolean {
    return this.#turns.some(({ running }) => running);
  }

  #enter(stage: RawStage, item: QueuedRaw): void {
    this.#queues[stage].push(item);
    this.#wake(stage);
  }

  #wake(stage: RawStage): void {
    for (const turns of this.#turns) if (turns.stages.includes(stage)) void this.#run(turns);
  }

  async #run(turns: Turns): Promise<void> {
    turns.added = true;
    if (turns.running) return;
    turns.running = true;
    while (takeAdded(turns))
      for (const stage of turns.stages) if (await this.#step(stage)) turns.added = true;
    turns.running = false;
    if (this.#isRunning) return;
    for (const resolve of this.#settledWaiters.splice(0)) resolve();
  }

  async #step(stage: RawStage): Promise<boolean> {
    const item = this.#queues[stage][0];
    if (item === undefined || this.#stopped || this.#retries.has(stage)) return false;
    this.#under.set(stage, this.#clock.monotonic());
    try {
      await this.#steps[stage](item);
    } catch (error) {
      this.#steps.onFailed(stage, error);
      this.#retries.set(
        stage,
        this.#clock.after(RETRY, () => {
          this.#retries.delete(stage);
          this.#wake(stage);
        }),
      );
      return false;
    } finally {
      this.#under.delete(stage);
    }
    this.#queues[stage].shift();
    const next = NEXT[stage];
    if (next !== undefined) this.#enter(next, item);
    return true;
  }
}

function takeAdded(turns: Turns): boolean {
  const { added } = turns;
  turns.added = false;
  return added;
}
