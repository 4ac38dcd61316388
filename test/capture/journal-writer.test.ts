import assert from 'node:assert/strict';
import { RAWS_SURE } from '../../src/capture/raw-pool.ts';
import { lsn } from '../../src/journal/ids.ts';
import { RecordKind } from '../../src/journal/record.ts';
import { OperatorError } from '../../src/platform/errors.ts';
import { systemError } from '../support/tampered-files.ts';
import { isSettled, Journal, settle, tags } from './journal.ts';

const SEGMENT = 64 * 1024;
/** A run that takes up a whole segment by itself. */
const FILLS = SEGMENT / 512;

describe('the journal writer', () => {
  it('gives every record the next LSN, in the order of the calls, whatever their kind', async () => {
    const journal = new Journal();
    journal.write([10, 11, 12]);
    journal.control(RecordKind.initBegin, 13);
    journal.write([14]);
    await journal.clock.pass(100);
    journal.control(RecordKind.initEnd, 15);
    await journal.writer.durable();
    const { seen, last } = journal.recover();
    assert.deepEqual(tags(seen), [10, 11, 12, 13, 14, 15]);
    // The first is a clock record, and so is the one after a tenth of a second.
    assert.deepEqual(
      seen.map((record) => record.lsn),
      [2, 3, 4, 5, 6, 8],
    );
    assert.equal(last, journal.writer.last);
  });

  it('says when what it closed is handed on, also where all of it was durable before', async () => {
    const journal = new Journal();
    journal.write([1]);
    await journal.writer.durable();
    const gate = Promise.withResolvers<undefined>();
    journal.files.syncGate = gate.promise.then(() => undefined);
    journal.writer.close();
    await journal.writer.durable();
    const handedOn = journal.writer.handedOn();
    assert.equal(await isSettled(handedOn), false);
    gate.resolve(undefined);
    await handedOn;
    assert.equal(journal.closed.length, 1);
    assert.equal(await isSettled(journal.writer.handedOn()), true);
  });

  it('appends a run with one write of the file', () => {
    const journal = new Journal();
    journal.write([1]);
    const before = journal.files.changes.length;
    journal.write([2, 3, 4, 5, 6]);
    assert.deepEqual(
      journal.files.changes.slice(before).map(({ kind }) => kind),
      ['write'],
    );
  });

  it('shares one sync among all that come while one runs, and answers each for what it had appended (I1)', async () => {
    const journal = new Journal();
    const gates = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    journal.files.syncGate = gates[0]!.promise.then(() => undefined);
    journal.write([1]);
    const first = journal.writer.durable();
    await settle();
    const others = [2, 3, 4].map((tag) => {
      journal.write([tag]);
      return journal.writer.durable();
    });
    const before = journal.files.changes.length;
    journal.files.syncGate = gates[1]!.promise.then(() => undefined);
    gates[0]!.resolve(undefined);
    await first;
    assert.equal(journal.writer.durableLast, lsn(2));
    assert.equal(await isSettled(Promise.race(others)), false);
    gates[1]!.resolve(undefined);
    await Promise.all(others);
    assert.equal(journal.writer.durableLast, journal.writer.last);
    assert.deepEqual(
      journal.files.changes.slice(before).map(({ kind }) => kind),
      ['sync', 'sync'],
    );
    await journal.writer.durable();
    assert.equal(journal.files.changes.length, before + 2, 'nothing new needs no sync');
  });

  it('says durable only of what survives a power cut (I1)', async () => {
    const journal = new Journal();
    journal.write([1, 2]);
    await journal.writer.durable();
    journal.write([3]);
    journal.disk.cutPower(() => false);
    assert.deepEqual(tags(journal.recover().seen), [1, 2]);
  });

  for (const place of ['the first segment', 'one in the place of a spoilt one'])
    it(`says so to a host that is alone, too, also of ${place} (I1)`, async () => {
      const journal = new Journal();
      if (place !== 'the first segment') {
        journal.files.fault = ({ kind }) =>
          kind === 'write' ? { when: 'before', error: systemError('EIO') } : undefined;
        assert.throws(() => journal.write([1]), { code: 'EIO' });
        journal.files.fault = () => undefined;
        assert.equal(journal.writer.room(), undefined);
      }
      journal.write([2]);
      await journal.writer.durable(true);
      journal.disk.cutPower(() => false);
      assert.deepEqual(tags(journal.recover().seen), [2]);
    });

  it('goes on in a new segment by size, by age and when it is told, and hands on no empty one', async () => {
    const journal = new Journal();
    await journal.clock.pass(5000);
    assert.equal(journal.writer.close(), true);
    assert.equal(journal.writer.generation, 1, 'an empty segment stays open');
    journal.write(Array.from({ length: FILLS }, (_, i) => i));
    assert.equal(journal.writer.room(), undefined);
    assert.equal(journal.writer.generation, 2, 'by size');
    journal.write([1]);
    await journal.clock.pass(999);
    assert.equal(journal.writer.generation, 2);
    await journal.clock.pass(1);
    assert.equal(journal.writer.generation, 3, 'by age');
    journal.control(RecordKind.marker, 7);
    assert.equal(journal.writer.close(), true);
    assert.equal(journal.writer.generation, 4, 'when it is told');
    await settle();
    assert.deepEqual(
      journal.closed.map(({ generation }) => generation),
      [1, 2, 3],
    );
    const ranges = journal.closed.map(({ raw }) => [raw.header.first, raw.last]);
    for (const [i, [first]] of ranges.entries()) assert.equal(first, (ranges[i - 1]?.[1] ?? 0) + 1);
  });

  it('hands a segment on only when it and the name of its successor survive a power cut (I2)', async () => {
    const journal = new Journal();
    const gate = Promise.withResolvers<undefined>();
    journal.files.syncGate = gate.promise.then(() => undefined);
    journal.write([1, 2, 3]);
    journal.writer.close();
    await settle();
    assert.equal(journal.closed.length, 0);
    gate.resolve(undefined);
    await settle();
    assert.equal(journal.closed.length, 1);
    journal.disk.cutPower(() => false);
    const { seen } = journal.recover();
    assert.deepEqual(tags(seen), [1, 2, 3]);
    assert.equal(journal.disk.list('/group/journal').filter((name) => name.endsWith('.open')).length, 2);
  });

  it('keeps whoever appends waiting when every segment is in use, until one is released or writes are refused', async () => {
    const journal = new Journal();
    for (let tag = 0; journal.writer.room() === undefined; tag += 1)
      journal.write(Array.from({ length: FILLS }, () => tag));
    await settle();
    assert.equal(journal.closed.length, RAWS_SURE - 1);
    const waits = [journal.writer.room()!, journal.writer.room()!, journal.writer.closable()!];
    assert.equal(await isSettled(Promise.race(waits)), false);
    journal.writer.wakeWaiting();
    await Promise.all(waits);
    const again = journal.writer.room()!;
    const { raw, generation } = journal.closed[0]!;
    journal.writer.forget(generation);
    journal.writer.release(raw.path);
    await again;
    assert.equal(journal.writer.room(), undefined);
  });

  it('hands on nothing more once another has taken over, were there room by then to close what was open', async () => {
    const journal = new Journal();
    for (let tag = 0; journal.writer.room() === undefined; tag += 1)
      journal.write(Array.from({ length: FILLS }, () => tag));
    await settle();
    assert.equal(journal.writer.close(), false, 'every segment is in use');
    const waiting = journal.writer.closable();
    journal.writer.retire(new OperatorError('GROUP_MOVING', 'it moves', { remedy: 'wait' }));
    const closed = journal.closed.length;
    const { raw, generation } = journal.closed[0]!;
    journal.writer.forget(generation);
    journal.writer.release(raw.path);
    await waiting;
    assert.equal(journal.writer.closable(), undefined);
    assert.equal(journal.writer.close(), false);
    await settle();
    assert.equal(journal.closed.length, closed);
  });

  it('takes nothing more after a sync that failed, says so to all who wait, once to its owner, and wakes the rest', async () => {
    const journal = new Journal();
    journal.write([1]);
    journal.files.fault = ({ kind }) =>
      kind === 'sync' ? { when: 'before', error: systemError('EIO') } : undefined;
    const [first, second] = [journal.writer.durable(), journal.writer.durable()];
    await assert.rejects(first, { code: 'JOURNAL_FAILED' });
    await assert.rejects(second, { code: 'JOURNAL_FAILED' });
    journal.files.fault = () => undefined;
    // A second sync would succeed and lie: the pages that failed are clean now.
    await assert.rejects(journal.writer.durable(), { code: 'JOURNAL_FAILED' });
    assert.throws(() => journal.write([2]), { code: 'JOURNAL_FAILED' });
    assert.equal(journal.failures.length, 1);
    assert.equal(journal.writer.durableLast, lsn(0));
  });

  it('begins the next segment with the same LSN when the first write of one failed', async () => {
    const journal = new Journal();
    journal.files.fault = ({ kind }) =>
      kind === 'write' ? { when: 'half', error: systemError('EIO') } : undefined;
    assert.throws(() => journal.write([1]), { code: 'EIO' });
    journal.files.fault = () => undefined;
    assert.equal(journal.writer.room(), undefined);
    journal.write([2]);
    await journal.writer.durable();
    assert.deepEqual(journal.closed, []);
    assert.deepEqual(tags(journal.recover().seen), [2]);
  });

  it('waits while a full disk keeps it from going on in a new segment, and looks again by itself (I8)', async () => {
    const journal = new Journal();
    journal.write(Array.from({ length: FILLS }, () => 1));
    journal.files.fault = ({ kind, path }) =>
      kind === 'write' && path.includes('spare')
        ? { when: 'before', error: systemError('ENOSPC') }
        : undefined;
    let looked = 0;
    for (; looked < 2 * RAWS_SURE; looked += 1) {
      const room = journal.writer.room();
      assert.ok(room !== undefined);
      await journal.clock.pass(1000);
      assert.ok(await isSettled(room));
    }
    journal.files.fault = () => undefined;
    assert.equal(journal.writer.room(), undefined);
    journal.write([2]);
    await journal.writer.durable();
    assert.deepEqual(tags(journal.recover().seen).slice(-2), [1, 2]);
    assert.deepEqual(journal.failures, []);
  });

  it('fails, instead of keeping its hosts waiting, when it cannot go on in a new segment at all', () => {
    const journal = new Journal();
    journal.write(Array.from({ length: FILLS }, () => 1));
    journal.files.fault = ({ kind }) =>
      kind === 'rename' ? { when: 'before', error: systemError('EIO') } : undefined;
    assert.equal(journal.writer.room(), undefined);
    assert.throws(() => journal.write([2]), { code: 'JOURNAL_FAILED' });
    assert.equal(journal.writer.closable(), undefined);
    assert.equal(journal.failures.length, 1);
  });

  it('never lets a run that was refused come back behind what was taken after it', async () => {
    const journal = new Journal();
    journal.write([1]);
    journal.files.fault = () => ({ when: 'after', error: systemError('EIO') });
    assert.throws(() => journal.write([2, 3]), { code: 'EIO' });
    journal.files.fault = () => undefined;
    assert.equal(journal.writer.room(), undefined);
    journal.write([4]);
    await journal.writer.durable();
    assert.deepEqual(tags(journal.recover().seen), [1, 4]);
  });

  it('still reads what an older segment holds after the first write of a later one failed', async () => {
    const journal = new Journal();
    journal.write(Array.from({ length: FILLS }, () => 1));
    assert.equal(journal.writer.room(), undefined);
    journal.files.fault = ({ kind }) =>
      kind === 'write' ? { when: 'before', error: systemError('EIO') } : undefined;
    assert.throws(() => journal.write([2]), { code: 'EIO' });
    journal.files.fault = () => undefined;
    assert.equal(journal.writer.room(), undefined);
    assert.ok(journal.writer.fileOf(1).size() > 0);
    await journal.writer.durable();
  });

  it('is refused where there is no room for its first segment, and leaves nothing there', () => {
    const fault = ({ kind }: { kind: string }) =>
      kind === 'allocate' ? ({ when: 'before', error: systemError('ENOSPC') } as const) : undefined;
    let files: Journal['files'] | undefined;
    assert.throws(() => new Journal({}, (made) => ((files = made).fault = fault)), { code: 'BUFFER_FULL' });
    assert.deepEqual(files?.list('/group/journal'), []);
  });
});
