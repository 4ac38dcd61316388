/** Liveness in the small: where nothing moves for long though there is something to do, somebody says why. */
import type { Loop } from '../platform/loop.ts';
import type { RunningGroup } from '../../../src/daemon/running-group.ts';
import type { Site } from '../pair/site.ts';
import type { Oracle } from './oracle.ts';
import { Violation } from './violation.ts';

/** Milliseconds; what was lost on the way is missed after thirty seconds. */
const PATIENCE = 45_000;
const LOOK_EVERY = 5000;

export class Reasons {
  readonly #loop: Loop;
  readonly #oracle: Oracle;
  readonly #sites: readonly Site[];
  #seen = '';
  #since = 0;
  #silent = 0;

  constructor(loop: Loop, oracle: Oracle, sites: readonly Site[]) {
    this.#loop = loop;
    this.#oracle = oracle;
    this.#sites = sites;
    this.#look();
  }

  #look(): void {
    this.#loop.after(LOOK_EVERY, () => {
      const { replica, sourceApplied, model, isSettled } = this.#oracle;
      const seen = [
        replica.state.applied,
        sourceApplied,
        replica.acknowledged,
        model.last,
        this.#sites.every(({ group }) => group),
      ].join();
      if (seen !== this.#seen || isSettled) {
        this.#seen = seen;
        this.#since = this.#loop.now;
      } else if (this.#loop.now - this.#since > PATIENCE) void this.#ask(seen);
      this.#look();
    });
  }

  async #ask(seen: string): Promise<void> {
    const reasons = await reasonsOf(this.#sites);
    // While it is tried again there is none for a moment.
    this.#silent = reasons.length > 0 || seen !== this.#seen || this.#oracle.isSettled ? 0 : this.#silent + 1;
    if (this.#silent < 3) return;
    this.#oracle.fail(
      new Violation('no-reason', `nothing has moved for ${PATIENCE} ms, and nobody says why`),
    );
  }
}

interface AskedSite {
  readonly group: Pick<RunningGroup, 'status'> | undefined;
  readonly startError: string | undefined;
}

/** Why the sites stand still, in their own words. */
export async function reasonsOf(sites: readonly AskedSite[]): Promise<string[]> {
  const reasons: string[] = [];
  for (const { group, startError } of sites) {
    // A site that is not there says nothing; why it cannot start, it did.
    if (group === undefined) reasons.push(startError ?? 'starting');
    else {
      const status = await group.status();
      const streams = status.role === 'source' ? status.streams.flatMap(({ waits }) => waits) : [];
      // That volumes are compared holds nothing up: it is no reason for anything.
      const waits = [...status.waits, ...streams].filter(({ code }) => code !== 'verifying');
      reasons.push(...waits.map(({ message }) => message));
    }
  }
  return reasons;
}
