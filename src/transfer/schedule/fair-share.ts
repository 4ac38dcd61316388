/**
 * Whose turn it is. Pure. Start-time fair queueing (Goyal, Vin, Cheng 1996) in two levels: first between live writes and
 * copies (initial copies and resync), then among the streams of each by their weights. Who has nothing to send leaves its
 * share to the others, and saves up nothing for later.
 */

/** A stream as the others on its link see it. */
export interface Party {
  /** The same for all of a stream's files, and no other's. */
  readonly stream: string;
  /** Of the link, relative to the other streams of its kind. */
  readonly weight: number;
  /** Whether it brings existing data over rather than live writes. */
  readonly copying: boolean;
}

export interface Turn {
  readonly party: Party;
  /** Bytes. */
  readonly cost: number;
}

export class FairShare {
  /** 0 to 1: what copies keep of the link while live writes wait. */
  #copyShare: number;
  readonly #kinds = new Level();
  readonly #live = new Level();
  readonly #copies = new Level();

  constructor(copyShare: number) {
    this.#copyShare = copyShare;
  }

  set copyShare(share: number) {
    this.#copyShare = share;
  }

  /** Of turns in the order in which they came, the one that is next; undefined when there are none. */
  next<T extends Turn>(waiting: readonly T[]): T | undefined {
    const kind = this.#kinds.first(waiting.map(({ party }) => kindOf(party)));
    const alike = waiting.filter(({ party }) => kindOf(party) === kind);
    const stream = this.#levelOf(kind).first(alike.map(({ party }) => party.stream));
    return alike.find(({ party }) => party.stream === stream);
  }

  /** The turn was taken. */
  charge({ party, cost }: Turn): void {
    const kind = kindOf(party);
    this.#kinds.charge(kind, cost / (party.copying ? this.#copyShare : 1 - this.#copyShare));
    this.#levelOf(kind).charge(party.stream, cost / party.weight);
  }

  #levelOf(kind: string | undefined): Level {
    return kind === 'copy' ? this.#copies : this.#live;
  }
}

const kindOf = ({ copying }: Party): string => (copying ? 'copy' : 'live');

/** Virtual time, in bytes over weight: what begins at the lowest is next. */
class Level {
  #now = 0;
  readonly #finished = new Map<string, number>();

  first(keys: readonly string[]): string | undefined {
    let best: string | undefined;
    for (const key of keys) if (best === undefined || this.#begin(key) < this.#begin(best)) best = key;
    return best;
  }

  charge(key: string, cost: number): void {
    const begin = this.#begin(key);
    this.#now = Math.max(this.#now, begin);
    this.#finished.set(key, begin + cost);
  }

  #begin(key: string): number {
    return Math.max(this.#now, this.#finished.get(key) ?? 0);
  }
}
