/** Whose disk changed where a source and a destination differ, as far as it can be known. Pure. */
import type { Side } from '../../api/contract/verification.ts';
import { MEDIUM_CHANGES_MAX, type MediumChange } from '../../capture/medium-changes.ts';
import type { MediumRange } from '../../capture/medium-watch.ts';
import type { Lsn } from '../../journal/ids.ts';
import { DIFFERING_MAX, type DifferingRange } from '../../journal/verification.ts';

/** Ranges that are remembered of one destination: those that differ, and those that differed since the pass began. */
const REMEMBERED_MAX = 2 * DIFFERING_MAX;

export interface Evidence {
  /** Of the source's own medium. */
  readonly changes: readonly MediumChange[];
  /** Since when, and up to which record, the source is known to hold there what it holds. */
  readonly known: { readonly first: Lsn; readonly newest: Lsn } | undefined;
  /** The end of the newest pass of which the destination has compared every byte. */
  readonly comparedUpTo: number | undefined;
}

/**
 * The source's when it holds what no host wrote. The destination's when it held the same as the source in an earlier pass, and
 * the source still holds that.
 */
export function sideOf(range: DifferingRange, { changes, known, comparedUpTo }: Evidence): Side {
  if (changes.some((change) => overlaps(change, range))) return 'source';
  const wasSame = comparedUpTo !== undefined && comparedUpTo < range.lsn;
  if (known === undefined || !wasSame) return 'unknown';
  return known.first <= comparedUpTo && known.newest >= range.lsn ? 'destination' : 'unknown';
}

/**
 * Whether the source may send the range again. Not where it has lost what it held: the destination's is the good copy then.
 * Nowhere when it has lost so much that not all of it is remembered.
 */
export function maySend(range: MediumRange, changes: readonly MediumChange[]): boolean {
  return changes.length < MEDIUM_CHANGES_MAX && !changes.some((change) => overlaps(change, range));
}

export function overlaps(a: MediumRange, b: MediumRange): boolean {
  return a.volume === b.volume && a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

/** What each destination last said to differ. */
export type Differing = readonly { readonly name: string; readonly ranges: readonly DifferingRange[] }[];

export interface SidedRange {
  readonly range: DifferingRange;
  readonly side: Side;
}

/** At the destination of this name. */
export type Sided = SidedRange & { readonly name: string };

export interface Looked {
  /** Up to here the source has looked at its own medium. */
  readonly applied: Lsn;
  readonly changes: readonly MediumChange[];
  readonly known: (range: MediumRange) => Promise<Evidence['known']>;
  readonly comparedUpTo: (destination: string) => number | undefined;
}

/** What was found of the destinations' ranges when they were first seen to differ. */
export class Sides {
  readonly #found = new Map<string, Map<string, SidedRange>>();

  /** Whose disk changed, of every range that is new and of which it can be known already: those that were looked at. */
  async find(differing: Differing, { applied, changes, known, comparedUpTo }: Looked): Promise<Sided[]> {
    const fresh = differing.flatMap(({ name, ranges }) =>
      ranges.flatMap((range) => (this.has(name, range) || range.lsn > applied ? [] : { name, range })),
    );
    const sided: Sided[] = [];
    for (const { name, range } of fresh) {
      const evidence = { changes, known: await known(range), comparedUpTo: comparedUpTo(name) };
      const side = sideOf(range, evidence);
      this.#add(name, { range, side });
      sided.push({ name, range, side });
    }
    return sided;
  }

  has(name: string, range: DifferingRange): boolean {
    return this.#found.get(name)?.has(keyOf(range)) === true;
  }

  /** Of what differs now, and what was found to from `first` on. */
  list(name: string, differing: readonly DifferingRange[], first: number): SidedRange[] {
    const now = new Set(differing.map(keyOf));
    return [...(this.#found.get(name) ?? [])].flatMap(([key, found]) =>
      now.has(key) || found.range.lsn >= first ? found : [],
    );
  }

  /** All but what differs now is forgotten. */
  keep(differing: Differing): void {
    for (const { name, ranges } of differing) {
      const [found, now] = [this.#found.get(name), new Set(ranges.map(keyOf))];
      for (const key of found?.keys() ?? []) if (!now.has(key)) found?.delete(key);
    }
  }

  #add(name: string, sided: SidedRange): void {
    const found = this.#found.get(name) ?? new Map<string, SidedRange>();
    this.#found.set(name, found.set(keyOf(sided.range), sided));
    const oldest = found.keys().next();
    if (found.size > REMEMBERED_MAX && oldest.done !== true) found.delete(oldest.value);
  }
}

function keyOf({ volume, offset, length, lsn }: DifferingRange): string {
  return [volume, offset, length, lsn].join();
}
