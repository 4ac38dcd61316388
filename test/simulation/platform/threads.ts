/** Worker threads without threads: calls and answers are messages that arrive in order, a little later, as copies. */
import { OperatorError } from '../../../src/platform/errors.ts';
import type { Events, Remote, RemoteThread } from '../../../src/platform/node/threads.ts';
import type { Program } from './program.ts';

type Methods = Record<string, (...args: readonly unknown[]) => unknown>;
export type Emit = (name: string, ...args: readonly unknown[]) => void;

/** Milliseconds that a message takes at most. */
const LATENCY = 0.5;

/** Messages of one direction, which never overtake each other. */
class Line {
  readonly #program: Program;
  #last = 0;

  constructor(program: Program) {
    this.#program = program;
  }

  send(deliver: () => void): void {
    const { now } = this.#program.machine.loop;
    this.#last = Math.max(this.#last, now + this.#program.dice.fraction() * LATENCY);
    this.#program.after(this.#last - now, deliver);
  }
}

export function startSimulatedThread<T extends object>(
  program: Program,
  events: Events,
  build: (emit: Emit) => T,
): RemoteThread<T> {
  const there = new Line(program);
  const back = new Line(program);
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
      target = build(emit) as Methods;
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
      there.send(() => {
        void answer(method, copies).then((result) => {
          back.send(() => {
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
