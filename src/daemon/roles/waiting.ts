/** What a group that changes its part waits for. */
import { sleep, type Clock } from '../../platform/clock.ts';
import { describeError } from '../../platform/errors.ts';
import type { RunningSource } from '../source/running-source.ts';

/** Milliseconds between two attempts at what a disk refuses. */
export const RETRY = 2000;
/** So often, so many milliseconds apart, it is asked whether a destination has been heard: its word comes late over a slow line. */
const HEARS = 20;
const HEARS_EVERY = 250;

export interface Patience {
  readonly clock: Clock;
  readonly stop: AbortSignal;
}

/** Whether the destination follows, in the end. */
export async function isFollowed(group: RunningSource, { clock, stop }: Patience): Promise<boolean> {
  for (let left = HEARS; left > 0 && !group.followed(); left -= 1) await sleep(clock, HEARS_EVERY, stop);
  return group.followed();
}

/** Again until it is done. @throws what it throws, once it is stopped */
export async function atLast(
  act: () => void,
  { clock, stop, onError }: Patience & { readonly onError: (text: string) => void },
): Promise<void> {
  for (;;) {
    try {
      act();
      return;
    } catch (error) {
      if (stop.aborted) throw error;
      onError(describeError(error));
      await sleep(clock, RETRY, stop);
    }
  }
}
