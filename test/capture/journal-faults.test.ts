import assert from 'node:assert/strict';
import { LSN_NONE, type Lsn } from '../../src/journal/ids.ts';
import { RecordKind } from '../../src/journal/record.ts';
import { errorCode } from '../../src/platform/errors.ts';
import { seededRandom } from '../support/random.ts';
import { Crash, systemError, type Change, type Fault } from '../support/tampered-files.ts';
import { Journal, settle, tags } from './journal.ts';

const SEGMENT = 16 * 1024;

/** What a load was told, and what it then may count on. */
interface Told {
  /** Of `taken`, so many were said to be durable. */
  confirmed: number;
  /** Of `taken`, so many are sealed and destaged, up to this LSN. */
  done: { readonly count: number; readonly lsn: Lsn };
  /** Tags of runs that were refused, and how many had been taken by then. */
  readonly refused: Map<number, number>;
  dead: boolean;
}

/** Appends, syncs, closes and releases; goes on after every error as a group's host does, until the process has died. */
async function load(journal: Journal): Promise<Told> {
  const told: Told = { confirmed: 0, done: { count: 0, lsn: LSN_NONE }, refused: new Map(), dead: false };
  const attempt = async (act: () => unknown, onError: () => void = () => undefined): Promise<void> => {
    if (told.dead) return;
    try {
      await act();
    } catch (error) {
      onError();
      told.dead = isCrash(error);
    }
  };
  let tag = 0;
  const counts: number[] = [];
  for (let round = 0; round < 14; round += 1) {
    for (let tries = 0; journal.writer.room() !== undefined && tries < 4; tries += 1)
      await journal.clock.pass(1000);
    const run = Array.from({ length: 1 + (round % 5) * 2 }, () => (tag += 1));
    await attempt(
      () => journal.write(run, 1 + (round % 3)),
      () => run.forEach((refused) => told.refused.set(refused, journal.taken.length)),
    );
    if (round % 3 === 2) {
      const count = journal.taken.length;
      await attempt(async () => {
        await journal.writer.durable();
        told.confirmed = Math.max(told.confirmed, count);
      });
    }
    if (round % 5 === 3) await attempt(() => journal.writer.close());
    if (round % 2 === 0) await journal.clock.pass(120);
    await settle();
    while (counts.length < journal.closed.length) counts.push(countIn(journal, counts.length));
    const oldest = journal.closed[released(told, counts)];
    if (round % 4 === 3 && oldest !== undefined) {
      journal.writer.forget(oldest.generation);
      const count = told.done.count + (counts[released(told, counts)] ?? 0);
      told.done = { count, lsn: oldest.raw.last };
      await attempt(() => journal.writer.release(oldest.raw.path));
    }
    told.dead ||= journal.failures.some((failure) => isCrash(failure.cause));
  }
  await settle();
  return told;
}

const isCrash = (error: unknown): boolean =>
  error instanceof Crash || (error instanceof Error && error.cause instanceof Crash);

/** How many segments have been released, by how many records were. */
function released(told: Told, counts: readonly number[]): number {
  let [index, sum] = [0, 0];
  while (index < counts.length && sum < told.done.count) sum += counts[index++] ?? 0;
  return index;
}

/** Tagged records in the n-th closed segment, which is still there. */
function countIn(journal: Journal, index: number): number {
  const { raw } = journal.closed[index]!;
  return journal
    .recover((raw.header.first - 1) as Lsn)
    .seen.filter(({ lsn, kind }) => lsn <= raw.last && kind === RecordKind.write).length;
}

/**
 * A restart finds, from what is done on, a beginning of what was taken that holds all that was confirmed; of a run that
 * was refused it may find a part at the very end (it was neither taken nor promised), but never behind what was taken later.
 */
function check(journal: Journal, told: Told, context: string): void {
  const found = tags(journal.recover(told.done.lsn).seen);
  const refused: number[] = [];
  while (told.refused.has(found.at(-1) ?? -1)) refused.push(found.pop() ?? 0);
  for (const tag of refused)
    assert.equal(told.refused.get(tag), told.done.count + found.length, `refused before: ${context}`);
  const expected = journal.taken.slice(told.done.count, told.done.count + found.length);
  assert.deepEqual(found, expected, `what was taken, in order: ${context}`);
  assert.ok(
    told.done.count + found.length >= told.confirmed,
    `${found.length} of ${told.confirmed - told.done.count} that were confirmed: ${context}`,
  );
}

const POWER = {
  'keeps nothing': () => () => false,
  'keeps everything': () => () => true,
  'keeps some': (n: number) => {
    const random = seededRandom(`power ${n}`);
    return () => random.fraction() < 0.5;
  },
} as const;

describe('a journal whose files fail', () => {
  const faults: readonly [string, Fault, (change: Change) => boolean][] = [
    ['a full disk', { when: 'before', error: systemError('ENOSPC') }, () => true],
    ['an I/O error', { when: 'before', error: systemError('EIO') }, () => true],
    ['a short write', { when: 'half', error: systemError('EIO') }, ({ kind }) => kind === 'write'],
    ['a late error', { when: 'after', error: systemError('EIO') }, ({ kind }) => kind === 'write'],
  ];
  for (const [what, fault, applies] of faults) {
    it(`loses nothing that it confirmed to ${what} at any call, and takes nothing twice (I1, I8)`, async () => {
      let tried = 0;
      for (let n = 1, more = true; more; n += 1) {
        let hit: Change | undefined;
        let journal: Journal;
        try {
          journal = new Journal({ segmentSize: SEGMENT }, (files) => {
            files.fault = (change) => {
              if (change.count !== n) return undefined;
              hit = change;
              return applies(change) ? fault : undefined;
            };
          });
        } catch {
          continue; // It did not start: nothing was promised.
        }
        const told = await load(journal);
        more = hit !== undefined;
        if (hit === undefined || !applies(hit)) continue;
        tried += 1;
        const context = `${what} at call ${n}, ${hit.kind} of ${hit.path}`;
        if (journal.failures.length === 0) {
          await journal.writer.durable();
          told.confirmed = journal.taken.length;
        } else {
          assert.ok(hit.kind !== 'write' || errorCode(fault.error) !== 'ENOSPC', context);
        }
        check(journal, told, context);
        journal.disk.cutPower(() => false);
        check(journal, told, `power cut, ${context}`);
      }
      assert.ok(tried > 10, `${tried} calls were tried`);
    });
  }
});

describe('a journal whose process dies at any of its changes', () => {
  for (const when of ['before', 'after'] as const) {
    for (const [what, power] of Object.entries(POWER)) {
      it(`holds what it confirmed: died ${when} the change, the medium ${what} (I1, I6)`, async () => {
        let n = 1;
        for (let dead = true; dead; n += 1) {
          let journal: Journal;
          try {
            journal = new Journal({ segmentSize: SEGMENT }, (files) => files.dieAt(n, when));
          } catch {
            continue;
          }
          const told = await load(journal);
          dead = told.dead;
          journal.disk.cutPower(power(n));
          check(journal, told, `died at call ${n}`);
        }
        assert.ok(n > 40, `${n} calls were tried`);
      });
    }
  }
});
