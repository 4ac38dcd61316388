import assert from 'node:assert/strict';
import { ALONE, OtherSide, type OtherSideOptions } from '../../../src/daemon/source/other-side.ts';
import { epoch, lsn } from '../../../src/journal/ids.ts';
import type { DestinationStatus, ServingStatus, SiteStatus } from '../../../src/journal/status.ts';
import { silentLog } from '../../support/silent-log.ts';

const ID = 'a'.repeat(32);
const [ONE, OTHER, AGAIN] = ['1', '2', '3'].map((digit) => digit.repeat(32)) as [string, string, string];

/** A source in this mode, in whose file an earlier run noted this resync; all that was copied ends at 50. */
class Asked {
  mode: string;
  interval: object | undefined;
  /** What was taken in hand, in order. */
  readonly taken: string[] = [];
  readonly #other: OtherSide;

  constructor(mode: string, noted?: string) {
    this.mode = mode;
    const identity = { resync: noted, noteResync: (id: string) => (identity.resync = id) };
    this.#other = new OtherSide({
      ...ALONE,
      log: silentLog,
      identity: () => identity,
      group: () => this,
      host: () => undefined,
    } as unknown as OtherSideOptions);
  }

  isBroughtTo(at: number): boolean {
    return this.mode === 'journal' && at >= 50;
  }

  resync({ id }: { readonly id: string }, note: () => Promise<void>): Promise<void> {
    this.taken.push(id);
    return note();
  }

  /** A destination that has all up to there says twice that it wants this one. */
  async hears(destination: string, id: string, applied: number): Promise<void> {
    const status = { applied: lsn(applied), resync: { id, volumes: [] } } as unknown as DestinationStatus;
    for (let times = 0; times < 2; times += 1) this.#other.said(destination, status);
    await new Promise(setImmediate);
  }
}

async function brought(noted: string | undefined, mode: string, applied: number): Promise<number> {
  const source = new Asked(mode, noted);
  await source.hears('one', ID, applied);
  return source.taken.length;
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

  it('waits until a copy that another asked for is at its end: they would call off one another’s in turns', async () => {
    const source = new Asked('journal');
    await source.hears('one', ONE, 10);
    source.mode = 'delta';
    await source.hears('other', OTHER, 10);
    await source.hears('one', ONE, 10);
    assert.deepEqual(source.taken, [ONE]);
    source.mode = 'journal';
    await source.hears('other', OTHER, 10);
    assert.deepEqual(source.taken, [ONE, OTHER]);
    await source.hears('one', ONE, 20);
    assert.deepEqual(source.taken, [ONE, OTHER], 'it has yet to apply its copy');
    source.mode = 'delta';
    await source.hears('other', AGAIN, 20);
    assert.deepEqual(
      source.taken,
      [ONE, OTHER, AGAIN],
      'of no use to it any more is what it asked for before',
    );
    source.mode = 'journal';
    await source.hears('one', ONE, 50);
    assert.deepEqual(
      source.taken,
      [ONE, OTHER, AGAIN, ONE],
      'its copy was called off before the restart, say',
    );
  });

  it('is asked for again on an interval where another’s took its place before the delta began', async () => {
    const source = new Asked('snapshot-assisted');
    source.interval = {};
    await source.hears('one', ONE, 10);
    await source.hears('other', OTHER, 10);
    source.mode = 'delta';
    await source.hears('one', ONE, 10);
    assert.deepEqual(source.taken, [ONE, OTHER]);
    source.mode = 'snapshot-assisted';
    await source.hears('one', ONE, 10);
    assert.deepEqual(source.taken, [ONE, OTHER, ONE]);
  });
});

const FOREIGN = { role: 'destination', groupId: ID } as unknown as DestinationStatus;
const SERVING = { ...FOREIGN, role: 'source' } as unknown as ServingStatus;

describe('a source that hears of a takeover', () => {
  it('brings nothing over any more, as it lets no host in (I11)', () => {
    const other = new OtherSide({
      ...ALONE,
      log: silentLog,
      identity: () => ({ epoch: { number: 1, id: ID } }),
      group: () => undefined,
    } as unknown as OtherSideOptions);
    assert.deepEqual([other.mayServe, other.mayBring], [true, true]);
    other.serving({
      ...SERVING,
      epoch: { number: epoch(2), id: OTHER },
      fork: { lsn: lsn(1) },
    } as ServingStatus);
    assert.deepEqual([other.mayServe, other.mayBring], [false, false]);
  });
});

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
