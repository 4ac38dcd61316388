/** Ways to do the same, measured in turns, so that what else the machine does meets all of them. */

/** One run; returns what was measured. */
export type Run = () => Promise<number>;

/**
 * The values of each way, one a round. Who begins changes from round to round; a first run of each is not counted when it
 * is to warm up.
 */
export async function inTurns<Way extends string>(
  ways: Readonly<Record<Way, Run>>,
  { rounds, warm }: { readonly rounds: number; readonly warm: boolean },
): Promise<Record<Way, number[]>> {
  const names = Object.keys(ways) as Way[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Way, number[]>;
  if (warm) for (const name of names) await ways[name]();
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      values[name].push(await ways[name]());
    }
  }
  return values;
}

/** Seconds that it takes. */
export async function seconds(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return (performance.now() - begun) / 1000;
}

/** `medianA / medianB` would let one bad round decide: the median of the rounds' own ratios does not. */
export function ratioOf(above: readonly number[], below: readonly number[]): number {
  return median(above.map((value, round) => value / (below[round] ?? Number.NaN)));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
