/**
 * Deliberate breaks of the code that upholds the invariants, each of which the simulation must catch. They are made to a
 * module's text as it is loaded, in a child process of the tests alone.
 */
export interface Plant {
  readonly name: string;
  /** What it takes away. */
  readonly invariant: string;
  readonly edits: readonly Edit[];
  /** Caught within so many seeds from `from` on. */
  readonly seeds: number;
  /** 1, but for breaks that take long to be told: near a seed that tells them. */
  readonly from: number;
  /** Of sources that replicate on an interval. */
  readonly intervals?: boolean;
  /** Of sites that change their parts. */
  readonly roles?: boolean;
}

export interface Edit {
  /** Below `src`. */
  readonly module: string;
  /** Stands there once. */
  readonly find: string;
  readonly replace: string;
}

/** Breaks looked for from this seed on. */
export const plantFrom =
  (from: number) =>
  (invariant: string, name: string, seeds: number, ...edits: readonly Edit[]): Plant => ({
    name,
    invariant,
    seeds,
    from,
    edits,
  });
export const plant = plantFrom(1);
/** Breaks of what only replication on an interval relies on. */
export const intervalPlant = (...args: Parameters<typeof plant>): Plant => ({
  ...plant(...args),
  intervals: true,
});
export const edit = (module: string, find: string, replace = ''): Edit => ({ module, find, replace });
