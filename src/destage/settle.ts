import { hasToApply, type DestinationFacts } from './destination-facts.ts';
import type { BackCalls } from './group-options.ts';
import type { Intake } from './intake.ts';

/** A destination as it is before it changes its part. */
export interface Settled {
  readonly facts: DestinationFacts;
  /** Names of markers whose programs did not run to their end, and will not. */
  readonly markers: readonly string[];
}

/**
 * Applies all that arrived without a hole, of a group whose loops have ended. Marker programs stand in its way no more.
 * @throws what keeps the volumes from it
 */
export async function settle(
  back: BackCalls,
  intake: Pick<Intake, 'takeSome'>,
  group: { readonly facts: () => DestinationFacts; readonly onFacts: (facts: DestinationFacts) => void },
): Promise<Settled> {
  const markers = group.facts().state.background.map(({ name }) => name);
  for (let moved = true; moved;) {
    const { pending } = group.facts().state;
    if (pending !== undefined) {
      markers.push(pending.name);
      group.onFacts(await back.finishMarker(pending.id));
    }
    moved = await intake.takeSome();
    const { state: before } = group.facts();
    if (!hasToApply(group.facts()) || before.seed?.state === 'awaited') continue;
    group.onFacts(await back.applySome());
    const { state } = group.facts();
    moved ||= state.applied > before.applied || state.pending !== undefined;
  }
  return { facts: group.facts(), markers };
}
