/** How fast ours and a peer do the same, measured in turns. */
import { inTurns, median, ratioOf } from './turns.ts';

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
  const { ours, peer } = await inTurns(
    { ours: () => speed(ways.ours), peer: () => speed(ways.peer) },
    // Not measured: connections, caches and compiled code are the same for both afterwards.
    { rounds, warm: true },
  );
  return { ours: median(ours), peer: median(peer), ratio: ratioOf(ours, peer), cpu: median(cpu.slice(1)) };
}
