/** Split brains, one line each. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runSplit } from '../../test/real/recovery/split.ts';
import { verdict } from '../verdicts.ts';

export interface SplitShow {
  readonly folder: string;
  readonly seed: string;
  readonly count: number;
  readonly signal: AbortSignal;
}

/** Either side is the one that is deposed, in turns, dead or alive when it hears of it. */
export async function showSplits({ folder, seed, count, signal }: SplitShow): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const place = join(folder, String(i));
    mkdirSync(place);
    const loser = i % 2 === 0 ? 'source' : 'destination';
    const isKilled = i % 4 >= 2;
    const { wrong, answered, writes, bytes, keptAs } = await runSplit({
      folder: place,
      seed: `${seed} ${i}`,
      loser,
      isKilled,
      signal,
    });
    const what = `split ${i + 1} of ${count}, the ${loser} ${isKilled ? 'killed and back' : 'let its hosts go'}`;
    const told = `${answered} writes by its hosts behind the takeover; rejoin tells of ${writes} writes, ${bytes} bytes behind the fork`;
    verdict(wrong.length === 0, `${what}: ${told}; ${keptAs ?? 'nothing'} holds all that was answered`);
    for (const line of wrong) process.stdout.write(`       ${line}\n`);
  }
}
