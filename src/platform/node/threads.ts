/**
 * An object that lives in a worker thread, called from another: every method that returns a promise can be called from
 * outside, with arguments and results that can be cloned. Errors keep their code, remedy and message.
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { OperatorError } from '../errors.ts';
import { collectDeadBuffers } from './garbage.ts';

/** MiB of short-lived objects in a thread: what these threads handle is in buffers, not objects. */
const YOUNG_SIZE = 8;

/** The methods of `T` that can be called across threads. */
export type Remote<T> = {
  [K in keyof T as T[K] extends (...args: never[]) => Promise<unknown> ? K : never]: T[K];
};

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

type Message =
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorFacts }
  | { readonly type: 'event'; readonly name: string; readonly args: readonly unknown[] };

interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly retryable: boolean;
}

type Methods = Record<string, (...args: readonly unknown[]) => unknown>;
export type Events = Record<string, (...args: never[]) => void>;

/** In the worker: `build` makes the object, given how to send events to the thread that started this one. */
export function serveObject(
  port: MessagePort,
  build: (emit: (name: string, ...args: readonly unknown[]) => void) => object,
): void {
  const post = (message: Message): void => port.postMessage(message);
  let target: Methods | undefined;
  let failure: unknown;
  try {
    target = build((name, ...args) => post({ type: 'event', name, args })) as Methods;
  } catch (error) {
    failure = error;
  }
  port.on('message', (call: Call) => {
    void answer(target, failure, call).then((message) => {
      post(message);
      collectDeadBuffers();
    });
  });
}

async function answer(
  target: Methods | undefined,
  failure: unknown,
  { id, method, args }: Call,
): Promise<Message> {
  try {
    if (target === undefined) throw failure;
    return { type: 'result', id, value: await target[method]?.(...args) };
  } catch (error) {
    const known = error instanceof OperatorError ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    const code = known?.code ?? (error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN');
    return {
      type: 'error',
      id,
      error: { code, message, remedy: known?.remedy ?? '', retryable: known?.retryable ?? false },
    };
  }
}

export interface RemoteThread<T> {
  readonly call: Remote<T>;
  terminate(): Promise<void>;
}

/**
 * Starts a worker and gives its object. `onExit`: the thread ended without being asked to; every call under way is
 * rejected with `THREAD_ENDED`.
 */
export function startThread<T extends object>(
  module: URL,
  data: unknown,
  events: Events,
  onExit: (error: Error) => void,
): RemoteThread<T> {
  const worker = new Worker(module, {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_SIZE },
  });
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let calls = 0;
  let ending = false;
  worker.on('message', (message: Message) => {
    if (message.type === 'event') {
      (events[message.name] as ((...args: readonly unknown[]) => void) | undefined)?.(...message.args);
      return;
    }
    const call = pending.get(message.id);
    pending.delete(message.id);
    if (message.type === 'result') call?.resolve(message.value);
    else call?.reject(new OperatorError(message.error.code, message.error.message, message.error));
  });
  const fail = (error: Error): void => {
    for (const call of pending.values()) call.reject(error);
    pending.clear();
    if (!ending) onExit(error);
    ending = true;
  };
  worker.on('error', (error) => fail(error instanceof Error ? error : new Error(String(error))));
  worker.on('exit', (code) =>
    fail(new OperatorError('THREAD_ENDED', `a worker thread ended with code ${code}`)),
  );
  const invoke = (method: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (ending) {
        reject(new OperatorError('THREAD_ENDED', 'the worker thread has ended'));
        return;
      }
      calls += 1;
      pending.set(calls, { resolve, reject });
      worker.postMessage({ id: calls, method, args } satisfies Call);
    });
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
    async terminate() {
      ending = true;
      await worker.terminate();
    },
  };
}
