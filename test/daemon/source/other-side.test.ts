import assert from 'node:assert/strict';
import { ALONE, OtherSide, type OtherSideOptions } from '../../../src/daemon/source/other-side.ts';
import { lsn } from '../../../src/journal/ids.ts';
import type { DestinationStatus, ServingStatus, SiteStatus } from '../../../src/journal/status.ts';
import { silentLog } from '../../support/silent-log.ts';

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
    ...ALONE,
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

const FOREIGN = { role: 'destination', groupId: ID } as unknown as DestinationStatus;
const SERVING = { ...FOREIGN, role: 'source' } as unknown as ServingStatus;

/** A source that hears this of a destination, twice, before it lets hosts in or after it. */
async function hears(
  status: SiteStatus | readonly [SiteStatus, SiteStatus],
  { served = false, late = false, epoch = 1 } = {},
): Promise<{ lost: number; listening: boolean; sends: boolean }> {
  let [lost, listening, hasServed] = [0, false, served];
  const host = {
    listen: () => Promise.resolve((listening = true)),
    stopServing: () => Promise.resolve((listening = false)),
  };
  const identity = {
    epoch: { number: epoch, id: ID },
    get hasServed() {
      return hasServed;
    },
    noteServed: () => (hasServed = true),
  };
  const other = new OtherSide({
    ...ALONE,
    onLost: () => (lost += 1),
    log: silentLog,
    identity: () => identity,
    group: () => host,
    host: () => host,
  } as unknown as OtherSideOptions);
  if (late) await other.serve();
  for (const said of 'role' in status ? [status, status] : status) other.holdsForeign(said);
  if (!late) await other.serve();
  await new Promise(setImmediate);
  return { lost, listening, sends: other.sends };
}

describe('a source whose destination holds what another group wrote', () => {
  const lost = { lost: 1, listening: false, sends: false };
  const serving = { lost: 0, listening: true, sends: true };

  it('never lets hosts in where its own folder is new: it has lost what they wrote (I10)', async () => {
    assert.deepEqual(await hears(FOREIGN), lost);
    assert.deepEqual(await hears(SERVING), lost);
  });

  it('says it again when that begins to serve: what to do about it is another thing then', async () => {
    assert.deepEqual(await hears([FOREIGN, SERVING]), { ...lost, lost: 2 });
  });

  it('goes on where its hosts wrote here, too: it may have got a wrong destination', async () => {
    assert.deepEqual(await hears(FOREIGN, { served: true }), serving);
    assert.deepEqual(await hears(FOREIGN, { late: true }), serving);
  });

  it('lets hosts go all the same where they are served there (I11)', async () => {
    assert.deepEqual(await hears(SERVING, { served: true }), lost);
    assert.deepEqual(await hears(SERVING, { late: true }), lost);
  });

  it('goes on where it has taken over itself: what it holds is the group’s', async () => {
    assert.deepEqual(await hears(SERVING, { epoch: 2 }), serving);
  });
});
