/** Which ranges that destinations found to differ a source sends again, and when it gives up. Pure. */
import type { MendRange } from '../../capture/patrol.ts';
import type { Lsn } from '../../journal/ids.ts';
import type { DifferingRange } from '../../journal/verification.ts';

/** Times that a range is sent again before its destination's medium is called bad. */
const ATTEMPTS_MAX = 3;

/** What a destination says, as of its newest status. */
export interface Answer {
  readonly applied: Lsn;
  readonly differing: readonly DifferingRange[];
}

interface Mend {
  readonly attempts: number;
  /** Of the verify record behind what was sent; undefined until it is in the journal. */
  readonly lsn: Lsn | undefined;
}

export class Mending {
  #mends = new Map<string, Mend>();

  /** What is to be sent again now. */
  next(answers: readonly Answer[]): MendRange[] {
    const wanted = answers.flatMap((answer) => answer.differing.map((range) => ({ range, answer })));
    const still = new Set(wanted.map(({ range }) => keyOf(range)));
    // What is under way is remembered: a status from before it tells nothing.
    for (const [key, { lsn }] of this.#mends)
      if (lsn !== undefined && !still.has(key)) this.#mends.delete(key);
    return wanted.flatMap(({ range, answer }) => {
      const key = keyOf(range);
      const before = this.#mends.get(key);
      const isUnderWay = before !== undefined && (before.lsn === undefined || answer.applied < before.lsn);
      const attempts = (before?.attempts ?? 0) + 1;
      if (isUnderWay || attempts > ATTEMPTS_MAX) return [];
      this.#mends.set(key, { attempts, lsn: undefined });
      const { volume, offset, length } = range;
      return [{ volume, offset, length }];
    });
  }

  /** It is in the journal, and behind it at `lsn` a verify record. */
  sent(range: MendRange, lsn: Lsn): void {
    const mend = this.#mends.get(keyOf(range));
    if (mend !== undefined) this.#mends.set(keyOf(range), { ...mend, lsn });
  }

  /** Ranges that differ however often they are sent. */
  get hopeless(): number {
    return [...this.#mends.values()].filter(
      ({ attempts, lsn }) => attempts === ATTEMPTS_MAX && lsn !== undefined,
    ).length;
  }
}

function keyOf({ volume, offset, length }: MendRange): string {
  return [volume, offset, length].join();
}
