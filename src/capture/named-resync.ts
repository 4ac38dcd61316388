import type { InitBeginPayload } from '../journal/init-begin.ts';

/** The newest resync whose regions are marked, as the copies name it that bring them. */
export class NamedResync {
  #id: string | undefined;
  /** A copy may have named it. */
  #isNamed: boolean;

  /** `id`: of a process before, of whose copies nothing is known. */
  constructor(id: string | undefined) {
    this.#id = id;
    this.#isNamed = id !== undefined;
  }

  /** The regions of this one are marked, durably. */
  set(id: string): void {
    this.#id = id;
    this.#isNamed = false;
  }

  /** What a copy that begins now says of it. */
  name(): Pick<InitBeginPayload, 'resync' | 'again'> {
    if (this.#id === undefined) return {};
    const again = this.#isNamed;
    this.#isNamed = true;
    return { resync: this.#id, ...(again && { again }) };
  }
}
