import assert from 'node:assert/strict';
import { OtherSide, type OtherSideOptions } from '../../src/daemon/other-side.ts';
import { lsn } from '../../src/journal/ids.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import { silentLog } from '../support/silent-log.ts';

const ID = 'a'.repeat(32);

/** How often a destination that has all up to `applied` is brought what it asks for; all that was copied ends at 50. */
async function brought(noted: string | undefined, mode: string, applied: number): Promise<number> {
  let count = 0;
  const group = {
    isBroughtTo: (at: number) => mode === 'journal' && at >= 50,
    resync: (_: unknown, note: () => Promise<void>) => ((count += 1), note()),
  };
  const identity = { resync: noted, noteResync: () => undefined };
  const other = new OtherSide({
    ...{ serves: true, announcement: undefined, rollback: undefined, onDeposed: () => undefined },
    log: silentLog,
    identity: () => identity,
    group: () => group,
    host: () => undefined,
  } as unknown as OtherSideOptions);
  const status = { applied: lsn(applied), resync: { id: ID, volumes: [] } } as unknown as DestinationStatus;
  other.said(status);
  other.said(status);
  await new Promise(setImmediate);
  return count;
}

describe('what a destination asks its source for', () => {
  it('is taken in hand once, and not again while it is on its way', async () => {
    assert.equal(await brought(undefined, 'journal', 10), 1);
    assert.equal(await brought(ID, 'delta', 60), 0);
    assert.equal(await brought(ID, 'journal', 49), 0);
  });

  it('is brought again where a crash took the copy that was to name it: it has all, and still asks', async () => {
    assert.equal(await brought(ID, 'journal', 50), 1);
  });
});
