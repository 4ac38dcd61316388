/**
 * Simulated time. Events happen one after the other, by time and then in the order in which they were set; between two of
 * them every promise that can go on has gone on. Node's own timers, threads and event loop take no part.
 */
interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export interface Scheduled {
  cancel(): void;
}

export class Loop {
  readonly #heap: Event[] = [];
  #now = 0;
  #order = 0;
  #steps = 0;
  #failure: { readonly error: unknown } | undefined;

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  after(delay: number, run: () => void): Scheduled {
    const event: Event = { at: this.#now + Math.max(0, delay), order: (this.#order += 1), run };
    this.#push(event);
    return { cancel: () => (event.run = undefined) };
  }

  /** Ends the run that is under way: what is wrong cannot be caught by what is watched. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Until `done`, looked at between events, or until `limit` milliseconds of simulated time. True when done. */
  run(done: () => boolean, limit: number): Promise<boolean> {
    const end = this.#now + limit;
    return new Promise((resolve, reject) => {
      const step = (): void => {
        const { result, failure } = this.#step(done, end);
        if (failure !== undefined) reject(asError(failure.error));
        else if (result !== undefined) resolve(result);
        // A tick that is asked for by a microtask comes when no microtask is left: every promise has gone on by then.
        else queueMicrotask(() => process.nextTick(step));
      };
      queueMicrotask(() => process.nextTick(step));
    });
  }

  #step(done: () => boolean, end: number): { result?: boolean; failure?: { readonly error: unknown } } {
    try {
      if (this.#failure === undefined && done()) return { result: true };
    } catch (error) {
      this.fail(error);
    }
    if (this.#failure !== undefined) return { failure: this.#failure };
    const event = this.#pop(end);
    if (event === undefined) {
      this.#now = end;
      return { result: false };
    }
    this.#now = event.at;
    this.#steps += 1;
    try {
      event.run?.();
    } catch (error) {
      this.fail(error);
    }
    return {};
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** The next event that was not cancelled, if it is due by `end`. */
  #pop(end: number): Event | undefined {
    for (let top = this.#heap[0]; top !== undefined && top.at <= end; top = this.#heap[0]) {
      this.#dropTop();
      if (top.run !== undefined) return top;
    }
    return undefined;
  }

  #dropTop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child += 1;
      if (!earlier(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
