/** What a destination remembers of a copy that begins or ends. Pure. */
import { createHash } from 'node:crypto';
import { lsn } from '../journal/ids.ts';
import type { InitBeginPayload } from '../journal/init-begin.ts';
import type { SegmentHeader } from '../journal/segment/segment.ts';
import { assert } from '../platform/errors.ts';
import type { AwaitedResync, AwaitedSeed, DestinationState } from './state-file.ts';

/**
 * Not consistent from here on. A handover before it is forgotten: what called it off may never have been shipped, which is why the
 * copy is; whoever hands over still puts it again behind the copy.
 */
export function duringCopy(state: DestinationState, begun: InitBeginPayload): DestinationState {
  return {
    ...state,
    consistent: false,
    seed: seedFrom(state.seed, begun.seed),
    resync: resyncFrom(state.resync, begun),
    comparison: undefined,
    handover: undefined,
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

/**
 * Only the copy that names it brings it; not one that goes on with another, which came before this journal's beginning: then all
 * is asked for by another id.
 */
function resyncFrom(
  before: AwaitedResync | undefined,
  { resync, again }: InitBeginPayload,
): AwaitedResync | undefined {
  if (before === undefined) return undefined;
  if (before.id !== resync) return { ...before, begun: false };
  const isWhole = before.begun || before.anew === undefined || again === undefined;
  return isWhole ? { ...before, begun: true } : { ...before, id: idAfter(before.id) };
}

/** The same for the same, as records may be applied again. */
function idAfter(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, id.length);
}
