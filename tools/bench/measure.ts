/** Two ways to do the same, measured in turns, so that what else the machine does meets both. */

/** One of the two. Returns when it is done. */
export type Way = () => Promise<void>;

export interface Comparison {
  /** Bytes a second, the median of the rounds. */
  readonly ours: number;
  readonly peer: number;
  /** The median of each round's ours against its peer. */
  readonly ratio: number;
  /** Processor seconds of this process for each GiB of ours, the median of the rounds: what other programs do weighs less on it. */
  readonly cpu: number;
}

/** `between` puts things back after every run, and is not measured. */
export async function compare(
  ways: { readonly ours: Way; readonly peer: Way; readonly between: () => void },
  { rounds, bytes }: { readonly rounds: number; readonly bytes: number },
): Promise<Comparison> {
  const ours: number[] = [];
  const peer: number[] = [];
  const cpu: number[] = [];
  const speed = async (way: Way): Promise<number> => {
    const used = process.cpuUsage();
    const begun = performance.now();
    await way();
    const seconds = (performance.now() - begun) / 1000;
    const { user, system } = process.cpuUsage(used);
    if (way === ways.ours) cpu.push((user + system) / 1e6 / (bytes / 2 ** 30));
    ways.between();
    return bytes / seconds;
  };
  // Not measured: connections, caches and compiled code are the same for both afterwards.
  await speed(ways.ours);
  await speed(ways.peer);
  cpu.length = 0;
  for (let round = 0; round < rounds; round++) {
    // Who begins changes from round to round.
    const order = round % 2 === 0 ? [ours, peer] : [peer, ours];
    for (const speeds of order) speeds.push(await speed(speeds === ours ? ways.ours : ways.peer));
  }
  const ratios = ours.map((value, round) => value / (peer[round] ?? value));
  return { ours: median(ours), peer: median(peer), ratio: median(ratios), cpu: median(cpu) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
