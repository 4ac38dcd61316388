/** Worker threads without threads: calls and answers are messages that arrive in order, a little later, as copies. */
import { OperatorError } from '../../../src/platform/errors.ts';
import type { Events, Remote, RemoteThread } from '../../../src/platform/node/threads.ts';
import type { Platform } from '../../../src/platform/platform.ts';
import { SimulatedFiles, type FilesOwner } from './files.ts';
import type { Scheduled } from './loop.ts';
import type { Machine } from './machine.ts';
import { Death, type Program } from './program.ts';

type Methods = Record<string, (...args: readonly unknown[]) => unknown>;
export type Emit = (name: string, ...args: readonly unknown[]) => void;

/** Milliseconds that a message takes at most: of a thread that has nothing else to do, or that is kept busy. */
const LATENCIES = [0.5, 0.5, 0.5, 8, 80];

/** One thread of a program: what it throws and nobody catches ends it, not the program. */
export class Thread implements FilesOwner {
  readonly program: Program;
  readonly machine: Machine;
  readonly clones: boolean;
  readonly platform: Platform;
  readonly #onEnd: (error: unknown) => void;
  #alive = true;

  constructor(program: Program, onEnd: (error: unknown) => void) {
    this.program = program;
    this.machine = program.machine;
    this.clones = program.clones;
    this.#onEnd = onEnd;
    const clock = {
      ...program.platform.clock,
      after: (delay: number, then: () => void) => this.after(delay, then),
    };
    this.platform = { ...program.platform, clock, files: new SimulatedFiles(this) };
  }

  get alive(): boolean {
    return this.#alive && this.program.alive;
  }

  /** Nothing that it still tries has an effect. */
  end(): void {
    this.#alive = false;
  }

  /** @throws Death */
  check(): void {
    if (!this.alive) throw new Death();
  }

  kill(power: boolean): Error {
    return this.program.kill(power);
  }

  after(delay: number, then: () => void): Scheduled {
    return this.program.after(delay, () => this.run(then));
  }

  run(then: () => void): void {
    if (!this.alive) return;
    try {
      then();
    } catch (error) {
      if (!this.program.alive) return;
      this.#alive = false;
      this.#onEnd(error);
    }
  }
}

/** Messages of one direction, which never overtake each other. */
class Line {
  readonly #program: Program;
  readonly #latency: number;
  #last = 0;

  constructor(program: Program, latency: number) {
    this.#program = program;
    this.#latency = latency;
  }

  send(deliver: () => void): void {
    const { now } = this.#program.machine.loop;
    this.#last = Math.max(this.#last, now + this.#program.dice.fraction() * this.#latency);
    this.#program.after(this.#last - now, deliver);
  }
}

/** `onExit`: the thread ended without being asked to; calls under way are rejected with `THREAD_ENDED`. */
export function startSimulatedThread<T extends object>(
  program: Program,
  events: Events,
  onExit: (error: Error) => void,
  build: (thread: Thread, emit: Emit) => T,
): RemoteThread<T> {
  const latency = program.dice.pick(LATENCIES);
  const there = new Line(program, latency);
  const back = new Line(program, latency);
  const pending = new Set<(error: Error) => void>();
  const thread = new Thread(program, (cause) => {
    const error = new OperatorError('THREAD_ENDED', `a simulated thread ended: ${String(cause)}`, { cause });
    back.send(() => {
      for (const reject of pending) reject(error);
      pending.clear();
      if (!terminated) onExit(error);
    });
  });
  let target: Methods | undefined;
  let failure: unknown;
  let terminated = false;
  const emit: Emit = (name, ...args) => {
    const copies = structuredClone(args);
    back.send(() => {
      if (!terminated) (events[name] as ((...given: readonly unknown[]) => void) | undefined)?.(...copies);
    });
  };
  there.send(() => {
    try {
      target = build(thread, emit) as Methods;
    } catch (error) {
      failure = error;
    }
  });
  const answer = async (method: string, args: readonly unknown[]): Promise<() => unknown> => {
    try {
      if (target === undefined) throw failure;
      const value = structuredClone(await target[method]?.(...args));
      return () => value;
    } catch (error) {
      const copy = copyOf(error);
      return () => {
        throw copy;
      };
    }
  };
  const invoke = (method: string, args: readonly unknown[]): Promise<unknown> => {
    const copies = structuredClone(args);
    return new Promise((resolve, reject) => {
      if (terminated || (!thread.alive && program.alive)) {
        reject(new OperatorError('THREAD_ENDED', 'the simulated thread has ended'));
        return;
      }
      pending.add(reject);
      there.send(() => {
        if (!thread.alive) return;
        void answer(method, copies).then((result) => {
          back.send(() => {
            pending.delete(reject);
            if (terminated) return;
            try {
              resolve(result());
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          });
        });
      });
    });
  };
  const call = new Proxy(
    {},
    {
      get:
        (_, method) =>
        (...args: unknown[]) =>
          invoke(String(method), args),
    },
  ) as Remote<T>;
  return {
    call,
    terminate() {
      terminated = true;
      thread.end();
      return Promise.resolve();
    },
  };
}

/** What of an error crosses from a thread to another: see `platform/node/threads.ts`. */
function copyOf(error: unknown): OperatorError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof OperatorError) return new OperatorError(error.code, message, error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  return new OperatorError(code, message);
}
