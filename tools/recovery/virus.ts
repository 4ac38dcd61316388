/** The moment before a virus: looked at, copied out of, and gone back to on both sides. */
import { runVirus } from '../../test/real/recovery/virus.ts';
import { verdict } from '../verdicts.ts';

export interface VirusShow {
  readonly folder: string;
  readonly seed: string;
  /** MiB of the volume. */
  readonly size: number;
  readonly signal: AbortSignal;
}

export async function showVirus(show: VirusShow): Promise<void> {
  const { at, files, servedIn, wrong } = await runVirus(show);
  const told = `${files} files are as of ${at}, copied out of a mount and after going back, on both sides`;
  verdict(wrong.length === 0, `virus: ${told}; served ${(servedIn / 1000).toFixed(1)} s after the command`);
  for (const line of wrong) process.stdout.write(`       ${line}\n`);
}
