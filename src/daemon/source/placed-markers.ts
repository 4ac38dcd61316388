/**
 * Markers that were placed and wait until their segment is sealed: only then is it sure that they reach the destinations. One
 * that lies in what is only marked in the change map, or in a copy, never fires, and whoever placed it is told.
 */
import type { Lsn } from '../../journal/ids.ts';
import { OperatorError } from '../../platform/errors.ts';

/** `unknown`: it is in the journal, and is sealed at the next start. */
export type MarkerFate = 'shipped' | 'lost' | 'unknown';

export class PlacedMarkers {
  readonly #group: string;
  /** Placements under way: from before the marker has its LSN until its fate is known. */
  #underWay = 0;
  /** Of segments that were sealed since, by their last LSN: a marker is the last record of its segment. */
  readonly #fates = new Map<Lsn, MarkerFate>();
  readonly #waiting = new Map<Lsn, (fate: MarkerFate) => void>();

  constructor(group: string) {
    this.#group = group;
  }

  /** @throws OperatorError `GROUP_NOT_CONSISTENT` it will never fire, `GROUP_STOPPED` it may; what `place` throws */
  async follow<P extends { readonly lsn: Lsn }>(place: () => Promise<P>): Promise<P> {
    this.#underWay += 1;
    try {
      const placed = await place();
      const fate = await this.#fateOf(placed.lsn);
      if (fate === 'shipped') return placed;
      throw fate === 'lost' ? lost(this.#group) : stopped(this.#group);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#fates.clear();
    }
  }

  /** The segment that ends with this record was sealed. */
  sealed(last: Lsn, fate: MarkerFate): void {
    if (this.#underWay > 0) this.#fates.set(last, fate);
    this.#waiting.get(last)?.(fate);
    this.#waiting.delete(last);
  }

  /** Nothing more is sealed. */
  stop(): void {
    for (const settle of this.#waiting.values()) settle('unknown');
    this.#waiting.clear();
  }

  #fateOf(lsn: Lsn): Promise<MarkerFate> {
    const known = this.#fates.get(lsn);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.set(lsn, resolve));
  }
}

export function nothingToMark(group: string, mode: string): OperatorError {
  return new OperatorError(
    'GROUP_NOT_CONSISTENT',
    `group ${group} is ${mode}: there is no recovery point to mark`,
    {
      remedy: 'wait until `blockferry status` shows mode journal, then place the marker again',
      retryable: true,
    },
  );
}

function lost(group: string): OperatorError {
  return new OperatorError(
    'GROUP_NOT_CONSISTENT',
    `group ${group} ceased to send every write in order while the marker was placed: it does not fire`,
    {
      remedy: 'wait until `blockferry status` shows mode journal, then place the marker again',
      retryable: true,
    },
  );
}

function stopped(group: string): OperatorError {
  return new OperatorError(
    'GROUP_STOPPED',
    `group ${group} stopped while the marker was placed: it may fire later`,
    {
      remedy: 'look at the destination’s snapshots or marker programs once the group runs again',
    },
  );
}
