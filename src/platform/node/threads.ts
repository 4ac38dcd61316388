/**
 * Objects that live in worker threads, called from another: every method that returns a promise can be called from outside,
 * with arguments and results that can be cloned. Errors keep their code, remedy and message. The other end is
 * `thread-objects.ts`.
 */
import { Worker } from 'node:worker_threads';
import { OperatorError } from '../errors.ts';

/** The methods of `T` that can be called across threads. */
export type Remote<T> = {
  [K in keyof T as T[K] extends (...args: never[]) => Promise<unknown> ? K : never]: T[K];
};

/** What is said to a thread; `object` counts up. */
export type Order =
  | { readonly type: 'build'; readonly object: number; readonly options: unknown }
  | {
      readonly type: 'call';
      readonly object: number;
      readonly id: number;
      readonly method: string;
      readonly args: readonly unknown[];
    }
  | { readonly type: 'end'; readonly object: number };

export type Answer =
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorFacts };

/** What it says. */
export type Message = { readonly object: number } & (
  | Answer
  | { readonly type: 'event'; readonly name: string; readonly args: readonly unknown[] }
  | { readonly type: 'ended' }
);

interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly retryable: boolean;
}

export type Events = Record<string, (...args: never[]) => void>;

/** An object in a thread, which it may share with others. */
export interface RemoteThread<T> {
  readonly call: Remote<T>;
  /** What the object has of the world is given back; calls under way are rejected. The thread ends with its last object. */
  terminate(): Promise<void>;
}

/**
 * Threads of one kind. An object gets one of its own while there are fewer than `max`, and shares the one with the fewest
 * others from then on: a thread costs some 20 MiB, an object next to nothing. Those that share one wait for each other: while
 * a disk keeps a call of one of them, the others are not answered; and what one throws and nobody catches ends all of them.
 */
export class ThreadPool<Options, T extends object> {
  readonly #module: URL;
  readonly #max: number;
  readonly #data: unknown;
  readonly #threads: SharedThread[] = [];

  /** `data`: the module's `workerData`. */
  constructor(module: URL, max: number, data?: unknown) {
    this.#module = module;
    this.#max = max;
    this.#data = data;
  }

  /**
   * Has an object built of `options`. `onExit`: its thread ended without being asked to; every call under way is rejected
   * with `THREAD_ENDED`.
   */
  start(options: Options, events: Events, onExit: (error: Error) => void): RemoteThread<T> {
    const thread = this.#place();
    const { object, invoke } = thread.build(options, events, onExit);
    const call = new Proxy(
      {},
      {
        get:
          (_, method) =>
          (...args: unknown[]) =>
            invoke(String(method), args),
      },
    ) as Remote<T>;
    return { call, terminate: () => thread.end(object) };
  }

  #place(): SharedThread {
    const [first, ...others] = this.#threads;
    if (first !== undefined && this.#threads.length >= this.#max)
      return others.reduce((least, thread) => (thread.count < least.count ? thread : least), first);
    const worker = new Worker(this.#module, { workerData: this.#data });
    const made = new SharedThread(worker, () => {
      this.#threads.splice(this.#threads.indexOf(made), 1);
    });
    this.#threads.push(made);
    return made;
  }
}

type Invoke = (method: string, args: readonly unknown[]) => Promise<unknown>;

interface Resident {
  readonly events: Events;
  readonly onExit: (error: Error) => void;
  readonly pending: Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >;
  /** Once it is to end. */
  ended: PromiseWithResolvers<undefined> | undefined;
}

class SharedThread {
  readonly #worker: Worker;
  readonly #residents = new Map<number, Resident>();
  /** It takes no more objects. */
  readonly #onLast: () => void;
  #closed = false;
  #objects = 0;
  #calls = 0;

  constructor(worker: Worker, onLast: () => void) {
    this.#worker = worker;
    this.#onLast = onLast;
    worker.on('message', (message: Message) => this.#take(message));
    worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) =>
      this.#fail(new OperatorError('THREAD_ENDED', `a worker thread ended with code ${code}`)),
    );
  }

  get count(): number {
    return this.#residents.size;
  }

  build(
    options: unknown,
    events: Events,
    onExit: (error: Error) => void,
  ): { readonly object: number; readonly invoke: Invoke } {
    this.#objects += 1;
    const object = this.#objects;
    const resident: Resident = { events, onExit, pending: new Map(), ended: undefined };
    this.#residents.set(object, resident);
    this.#post({ type: 'build', object, options });
    const invoke: Invoke = (method, args) =>
      new Promise((resolve, reject) => {
        if (!this.#residents.has(object) || resident.ended !== undefined) {
          reject(new OperatorError('THREAD_ENDED', 'the worker thread has ended'));
          return;
        }
        this.#calls += 1;
        const id = this.#calls;
        resident.pending.set(id, { resolve, reject });
        this.#post({ type: 'call', object, id, method, args });
      });
    return { object, invoke };
  }

  async end(object: number): Promise<void> {
    const resident = this.#residents.get(object);
    if (resident === undefined) return;
    const isAsked = resident.ended !== undefined;
    resident.ended ??= Promise.withResolvers<undefined>();
    if (!isAsked && [...this.#residents.values()].every(({ ended }) => ended !== undefined)) {
      // Whatever they are at.
      this.#close();
      await this.#worker.terminate();
    } else if (!isAsked) this.#post({ type: 'end', object });
    await resident.ended.promise;
  }

  #post(order: Order): void {
    this.#worker.postMessage(order);
  }

  #take(message: Message): void {
    const resident = this.#residents.get(message.object);
    if (resident === undefined) return;
    if (message.type === 'event') {
      const event = resident.events[message.name] as ((...args: readonly unknown[]) => void) | undefined;
      event?.(...message.args);
      return;
    }
    if (message.type === 'ended') {
      this.#leave(message.object, resident, new OperatorError('THREAD_ENDED', 'the worker thread has ended'));
      return;
    }
    const call = resident.pending.get(message.id);
    resident.pending.delete(message.id);
    if (message.type === 'result') call?.resolve(message.value);
    else call?.reject(new OperatorError(message.error.code, message.error.message, message.error));
  }

  #fail(error: Error): void {
    this.#close();
    for (const [object, resident] of [...this.#residents]) {
      this.#leave(object, resident, error);
      if (resident.ended === undefined) resident.onExit(error);
    }
  }

  #close(): void {
    if (!this.#closed) this.#onLast();
    this.#closed = true;
  }

  #leave(object: number, { pending, ended }: Resident, why: Error): void {
    this.#residents.delete(object);
    for (const call of pending.values()) call.reject(why);
    pending.clear();
    ended?.resolve(undefined);
  }
}
