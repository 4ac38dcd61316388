/** In a worker thread: the objects that `threads.ts` has built there, and calls. */
import type { MessagePort } from 'node:worker_threads';
import { OperatorError } from '../errors.ts';
import { collectDeadBuffers } from './garbage.ts';
import type { Answer, Message, Order } from './threads.ts';

type Methods = Record<string, (...args: readonly unknown[]) => unknown>;
export type Emit = (name: string, ...args: readonly unknown[]) => void;

/** Of one object: how it sends events to the thread that had it built, and what is to be done at its end, even if it could not be built. */
export interface Lodging {
  readonly emit: Emit;
  readonly onEnd: (end: () => Promise<void>) => void;
}

interface Lodged {
  readonly target: Methods | undefined;
  /** Why there is no target. */
  readonly failure: unknown;
  readonly ends: readonly (() => Promise<void>)[];
}

export function serveObjects(port: MessagePort, build: (options: unknown, lodging: Lodging) => object): void {
  const lodged = new Map<number, Lodged>();
  const post = (message: Message): void => port.postMessage(message);
  port.on('message', (order: Order) => {
    const { object } = order;
    if (order.type === 'build') {
      const emit: Emit = (name, ...args) => post({ object, type: 'event', name, args });
      lodged.set(object, lodge(order.options, emit, build));
      return;
    }
    const found = lodged.get(object);
    if (found === undefined) return;
    if (order.type === 'end') {
      lodged.delete(object);
      void endOf(found).then(() => post({ object, type: 'ended' }));
      return;
    }
    void answer(found, order).then((message) => {
      post({ object, ...message });
      collectDeadBuffers();
    });
  });
}

function lodge(options: unknown, emit: Emit, build: (options: unknown, lodging: Lodging) => object): Lodged {
  const ends: (() => Promise<void>)[] = [];
  try {
    const target = build(options, { emit, onEnd: (end) => void ends.push(end) }) as Methods;
    return { target, failure: undefined, ends };
  } catch (failure) {
    return { target: undefined, failure, ends };
  }
}

/** What cannot be given back is nobody's business any more. */
async function endOf({ ends }: Lodged): Promise<void> {
  for (const end of ends) await end().catch(() => undefined);
}

async function answer(
  { target, failure }: Lodged,
  { id, method, args }: Extract<Order, { type: 'call' }>,
): Promise<Answer> {
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
