/**
 * Node holds a signal made of others (`AbortSignal.any`) from a table of its own for as long as somebody listens to it and
 * what it is made of can be reached. A process that is killed takes that table along; of a simulated program that is killed
 * while it waits, the listener stays, and with it all of its run.
 */
import { getEventListeners } from 'node:events';

/** Does `work`; what then still listens to a signal that it made of others never will hear of anything, and is let go. */
export async function lettingGoOfSignals<T>(work: () => Promise<T>): Promise<T> {
  const original = Object.getOwnPropertyDescriptor(AbortSignal, 'any')!;
  const any = AbortSignal.any.bind(AbortSignal);
  const made: AbortSignal[] = [];
  AbortSignal.any = (signals) => {
    const signal = any(signals);
    made.push(signal);
    return signal;
  };
  try {
    return await work();
  } finally {
    Object.defineProperty(AbortSignal, 'any', original);
    for (const signal of made)
      for (const listener of getEventListeners(signal, 'abort'))
        signal.removeEventListener('abort', listener as () => void);
  }
}
