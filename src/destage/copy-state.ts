/** What a destination remembers of a copy that begins or ends. Pure. */
import { lsn } from '../journal/ids.ts';
import type { InitBeginPayload } from '../journal/init-begin.ts';
import type { SegmentHeader } from '../journal/segment/segment.ts';
import { assert } from '../platform/errors.ts';
import type { AwaitedResync, AwaitedSeed, DestinationState } from './state-file.ts';

/** Not consistent from here on. */
export function duringCopy(state: DestinationState, { seed, resync }: InitBeginPayload): DestinationState {
  return {
    ...state,
    consistent: false,
    seed: seedFrom(state.seed, seed),
    resync: resyncFrom(state.resync, resync),
    comparison: undefined,
  };
}

/** The journal begins with this segment, whatever came before it: nothing of that is wanted. */
export function beginningWith(
  { first, digestBefore: digest }: Pick<SegmentHeader, 'first' | 'digestBefore'>,
  state: DestinationState,
): DestinationState {
  assert(state.resync?.anew === 'anywhere', 'it begins once');
  return { ...state, applied: lsn(first - 1), digest, resync: { ...state.resync, anew: 'joined' } };
}

export function afterCopy(state: DestinationState): DestinationState {
  const resync = state.resync?.begun === true ? undefined : state.resync;
  const consistent = state.seed?.state !== 'given-up' && resync === undefined;
  return { ...state, consistent, resync, comparison: undefined };
}

/** One that was imported, or given up, stays so: a copy that is begun anew rests on the same. */
function seedFrom(before: AwaitedSeed | undefined, id: string | undefined): AwaitedSeed | undefined {
  if (id === undefined) return undefined;
  return before?.id === id ? before : { id, state: 'awaited' };
}

/** Only the copy that names it brings it. */
function resyncFrom(before: AwaitedResync | undefined, id: string | undefined): AwaitedResync | undefined {
  return before && { ...before, begun: before.id === id };
}
