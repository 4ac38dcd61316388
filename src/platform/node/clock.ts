import type { Clock } from '../clock.ts';

export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, then) {
    const timer = setTimeout(then, delay).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
