import type { Lsn } from '../../journal/ids.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Remote } from '../../platform/node/threads.ts';
import type { Waits } from '../../platform/waits.ts';
import type { RawStages } from './raw-stages.ts';
import type { SourceHost } from './source-host.ts';

/** Milliseconds that sealing and destaging are waited for; what is left is in the journal. */
const DRAIN_LIMIT = 30_000;

/**
 * Resolves when every closed segment is sealed and destaged, which it answers, or when there is nothing to gain by waiting: a
 * volume is offline, say, or it takes too long.
 */
async function drainStages(
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

export interface Draining {
  readonly host: Pick<Remote<SourceHost>, 'drain'>;
  readonly stages: RawStages;
  readonly log: Log;
  readonly waits: Waits;
  /** What the volumes hold durably. */
  readonly applied: () => Lsn;
}

/** Hosts are let go, and what they wrote is sealed and destaged, as above; `last`: the last record. @throws OperatorError `JOURNAL_FAILED` */
export async function drain(of: Draining): Promise<{ readonly last: Lsn; readonly drained: boolean }> {
  for (let again = true; ; again = false) {
    const last = await of.host.drain();
    const drained = await drainStages(of.stages, of);
    // All raw segments may have been in use, by a copy say, and the open one could not be closed: by now one is free.
    if (!again || !drained || of.applied() >= last) return { last, drained };
  }
}

/**
 * Whether all that hosts wrote is in the volumes, of closed segments and of the open one: what the journal is given up after
 * must not be in it alone (I10). @throws OperatorError `JOURNAL_FAILED`, `JOURNAL_OPEN`
 */
export async function settle(of: Draining): Promise<boolean> {
  const { last, drained } = await drain(of);
  if (drained && of.applied() < last) throw journalOpen(last);
  return drained;
}

function journalOpen(last: Lsn): OperatorError {
  return new OperatorError(
    'JOURNAL_OPEN',
    `the journal up to record ${last} cannot be brought into the volumes: it failed, or there is no room to close its last segment`,
    {
      remedy:
        'see that the disk under the buffer works and has room; if the journal failed, restart blockferry',
      retryable: true,
    },
  );
}
