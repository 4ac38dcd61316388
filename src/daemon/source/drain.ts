import type { Log } from '../../platform/log.ts';
import type { Waits } from '../../platform/waits.ts';
import type { RawStages } from './raw-stages.ts';

/** Milliseconds that sealing and destaging are waited for; what is left is in the journal. */
const DRAIN_LIMIT = 30_000;

/**
 * Resolves when every closed segment is sealed and destaged, which it answers, or when there is nothing to gain by waiting: a
 * volume is offline, say, or it takes too long.
 */
export async function drain(
  stages: RawStages,
  { log, waits }: { readonly log: Log; readonly waits: Waits },
): Promise<boolean> {
  const { seal, destage } = stages.left();
  if (destage === 0) return true;
  log.info('waiting for journal segments to be sealed and destaged', { seal, destage });
  await stages.settledWithin(DRAIN_LIMIT);
  const left = stages.left();
  if (left.destage === 0) return true;
  const why = waits.list().map((wait) => wait.message);
  log.warn('not everything is sealed and destaged: the journal has it, and is replayed at the next start', {
    ...left,
    why: why.length === 0 ? `it took over ${DRAIN_LIMIT / 1000} s` : why.join('; '),
  });
  return false;
}
