/**
 * Takes closed raw segments through sealing, then through destaging, and then gives their files back to the hosts' thread, each
 * in order. Sealing and destaging are done by one thread, a step at a time; giving back is another's, and goes on beside them.
 * A step of sealing is offered several, and takes as many as can be sealed together.
 *
 * A step that fails is tried again and holds up its own stage alone: while a volume is offline all that is in the journal is
 * still sealed, and so reaches the destinations.
 */
import type { ClosedRaw } from '../../journal/raw-segment.ts';
import type { Clock, Timer } from '../../platform/clock.ts';

/** Milliseconds until a step that failed is tried again. */
const RETRY = 2000;
/** Raw segments that are offered to be sealed together: as many are written before the first of them is durable. */
const SEALED_TOGETHER = 4;

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

/** They may be called again for the same segment, when they failed or their caller did. */
export interface RawSteps {
  /** The first of them, and behind it as many as it resolves with, itself included. */
  readonly seal: (items: readonly QueuedRaw[]) => Promise<number>;
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
    while (takeAdded(turns)) {
      let most = 1;
      for (const stage of turns.stages) {
        let done = 0;
        for (let more = 1; more > 0 && done < most; done += more) more = await this.#step(stage);
        if (done > 0) turns.added = true;
        // What was sealed together is destaged before more is.
        most = Math.max(1, done);
      }
    }
    turns.running = false;
    if (this.#isRunning) return;
    for (const resolve of this.#settledWaiters.splice(0)) resolve();
  }

  /** How many segments are done with it. */
  async #step(stage: RawStage): Promise<number> {
    const [item] = this.#queues[stage];
    if (item === undefined || this.#stopped || this.#retries.has(stage)) return 0;
    this.#under.set(stage, this.#clock.monotonic());
    let done = 1;
    try {
      if (stage === 'seal') done = await this.#steps.seal(this.#queues.seal.slice(0, SEALED_TOGETHER));
      else await this.#steps[stage](item);
    } catch (error) {
      this.#steps.onFailed(stage, error);
      this.#retries.set(
        stage,
        this.#clock.after(RETRY, () => {
          this.#retries.delete(stage);
          this.#wake(stage);
        }),
      );
      return 0;
    } finally {
      this.#under.delete(stage);
    }
    const next = NEXT[stage];
    for (const passed of this.#queues[stage].splice(0, done))
      if (next !== undefined) this.#enter(next, passed);
    return done;
  }
}

function takeAdded(turns: Turns): boolean {
  const { added } = turns;
  turns.added = false;
  return added;
}
