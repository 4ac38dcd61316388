/** So many files at once, and whose is next by {@link FairShare}: p-queue with an order of its own. */
import PQueue from 'p-queue';
import { FairShare, type Turn } from './schedule/fair-share.ts';
import { cancelled } from './transports/refusals.ts';

type Run = () => Promise<unknown>;

interface TurnOptions {
  readonly turn?: Turn;
  id?: string;
  readonly signal?: AbortSignal;
}

interface Waiting extends Turn {
  readonly run: Run;
  readonly id: string | undefined;
}

const NOBODY: Turn = { party: { stream: '', weight: 1, copying: false }, cost: 0 };

export class Turns {
  readonly #share: FairShare;
  readonly #queue: PQueue<FairQueue, TurnOptions>;

  /** `copyShare`: see {@link FairShare}. */
  constructor(concurrency: number, copyShare: number) {
    const share = new FairShare(copyShare);
    this.#share = share;
    this.#queue = new PQueue<FairQueue, TurnOptions>({
      concurrency,
      queueClass: class extends FairQueue {
        constructor() {
          super(share);
        }
      },
    });
  }

  /** From now on; what runs goes on. */
  configure(concurrency: number, copyShare: number): void {
    this.#share.copyShare = copyShare;
    this.#queue.concurrency = concurrency;
  }

  /** Does `work` when it is its turn; the place is free again once that has ended. @throws TransportError `Cancelled` while it waits */
  async take<T>(turn: Turn, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    // p-queue would give the place away at once when work under way is aborted, which takes its time.
    const waiting = new AbortController();
    const abort = (): void => waiting.abort(cancelled(`waiting for its turn: ${turn.party.stream}`));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const begin = (): Promise<T> => {
      signal.removeEventListener('abort', abort);
      return work();
    };
    try {
      return await this.#queue.add(begin, { turn, signal: waiting.signal });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

/** What p-queue asks of its queue. */
class FairQueue {
  readonly #share: FairShare;
  #waiting: Waiting[] = [];

  constructor(share: FairShare) {
    this.#share = share;
  }

  get size(): number {
    return this.#waiting.length;
  }

  enqueue(run: Run, { turn = NOBODY, id }: TurnOptions = {}): void {
    this.#waiting.push({ ...turn, run, id });
  }

  dequeue(): Run | undefined {
    const next = this.#share.next(this.#waiting);
    if (next === undefined) return undefined;
    this.#share.charge(next);
    this.#waiting = this.#waiting.filter((entry) => entry !== next);
    return next.run;
  }

  remove(id: string): void {
    this.#waiting = this.#waiting.filter((entry) => entry.id !== id);
  }

  filter(): Run[] {
    return this.#waiting.map(({ run }) => run);
  }

  setPriority(): never {
    throw new Error('turns have no priority of their own');
  }
}
