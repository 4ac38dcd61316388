import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { journalEnd, recoverRaws } from '../../src/capture/recover.ts';
import { epoch, lsn, type Lsn } from '../../src/journal/ids.ts';
import { RAW_HEADER_SIZE } from '../../src/journal/raw-segment.ts';
import { TamperedFiles } from '../support/tampered-files.ts';
import { EPOCH, Journal, JOURNAL, settle, tags } from './journal.ts';

const SECTORS = 1;
/** Bytes of a record with a sector in it. */
const RECORD = 28 + 512 * SECTORS;

/** Three closed segments and an open one, three writes each; a clock record before the first. */
async function journal(): Promise<Journal> {
  const made = new Journal({ segmentSize: 1024 * 1024 });
  for (let segment = 0; segment < 4; segment += 1) {
    made.write([1, 2, 3].map((i) => segment * 3 + i));
    if (segment < 3) made.writer.close();
  }
  await made.writer.durable();
  await settle();
  assert.equal(made.closed.length, 3);
  return made;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const paths = (made: Journal): string[] =>
  made.disk
    .list(JOURNAL)
    .filter((name) => name.endsWith('.open'))
    .sort()
    .map((name) => `${JOURNAL}/${name}`);

describe('recovering a journal', () => {
  it('finds every record from the checkpoint on, and where each segment ends', async () => {
    const made = await journal();
    const { raws, empty, last } = recoverRaws(made.disk, JOURNAL, EPOCH, lsn(0), () => undefined);
    assert.deepEqual(
      raws.slice(0, 3),
      made.closed.map(({ raw }) => raw),
    );
    assert.deepEqual(empty, []);
    assert.equal(last, made.writer.last);
  });

  it('knows what was durable when the newest segment was begun, and of no more', async () => {
    const made = await journal();
    const known = (): Lsn => recoverRaws(made.disk, JOURNAL, EPOCH, lsn(0), () => undefined).durable;
    // The four were begun within one step.
    assert.equal(known(), 0);
    const durable = made.writer.last;
    made.write([13]);
    made.writer.close();
    assert.equal(known(), 0, 'a segment without a record tells nothing');
    made.write([14]);
    assert.equal(known(), durable);
    // One behind a hole is no part of the journal, and neither is what it tells.
    made.disk.remove(paths(made)[3]!);
    assert.equal(known(), 0);
  });

  it('takes a segment that is done for empty, and the rest of one that is done in part', async () => {
    const made = await journal();
    const first = made.closed[0]!.raw;
    const found = recoverRaws(made.disk, JOURNAL, EPOCH, first.last, () => undefined);
    assert.deepEqual(found.empty, [first.path]);
    assert.equal(found.raws.length, 3);
    const midway = recoverRaws(made.disk, JOURNAL, EPOCH, (first.last - 1) as Lsn, () => undefined);
    assert.deepEqual([midway.empty, midway.raws.length], [[], 4]);
  });

  it('is followed no further than it has to go', async () => {
    const made = await journal();
    const files = new TamperedFiles(made.disk);
    const opened: string[] = [];
    const open = files.open.bind(files);
    files.open = (path, mode) => {
      opened.push(path);
      return open(path, mode);
    };
    const [first, second, third] = made.closed.map(({ raw }) => raw);
    const endFrom = (done: Lsn, enough: number): Lsn =>
      journalEnd(files, JOURNAL, { epoch: EPOCH, done, enough });
    assert.equal(endFrom(lsn(0), second!.last), second!.last);
    assert.deepEqual(opened.splice(0), [first!.path, second!.path]);
    assert.equal(endFrom(first!.last, second!.last + 1), third!.last);
    assert.equal(endFrom(lsn(0), Infinity), made.writer.last);
  });

  it('ends at a record that is torn at any of its bytes, and takes what lies behind for empty (I6)', async () => {
    const start = RAW_HEADER_SIZE + 28 + 2 * RECORD;
    const made = await journal();
    const [first, ...later] = paths(made);
    const file = made.disk.open(first!, 'write');
    for (let at = start; at < start + RECORD; at += 13) {
      const byte = Buffer.alloc(1);
      file.read(byte, at);
      file.write(Buffer.from([byte[0]! ^ 0x10]), at);
      assert.deepEqual(tags(made.recover().seen), [1, 2], `byte ${at - start} of the record`);
      const { empty } = recoverRaws(made.disk, JOURNAL, EPOCH, lsn(0), () => undefined);
      assert.deepEqual(empty, later);
      file.write(byte, at);
    }
  });

  it('ends at a header that never reached the medium, and at a file that is cut anywhere (I6)', async () => {
    const made = await journal();
    const [, second] = paths(made);
    const file = made.disk.open(second!, 'write');
    const header = Buffer.alloc(RAW_HEADER_SIZE);
    file.read(header, 0);
    file.write(Buffer.alloc(RAW_HEADER_SIZE), 0);
    assert.deepEqual(tags(made.recover().seen), upTo(3));
    file.write(header, 0);
    assert.deepEqual(tags(made.recover().seen), upTo(12));
    file.truncate(RAW_HEADER_SIZE + RECORD + 1);
    assert.deepEqual(tags(made.recover().seen), upTo(4));
  });

  it('ends where a segment’s name was lost: nothing behind a hole is taken (I3)', async () => {
    const made = await journal();
    const [, second, ...later] = paths(made);
    made.disk.remove(second!);
    assert.deepEqual(tags(made.recover().seen), upTo(3));
    assert.deepEqual(recoverRaws(made.disk, JOURNAL, EPOCH, lsn(0), () => undefined).empty, later);
  });

  it('takes nothing for a record that an older use left in a recycled file (I4)', async () => {
    const made = await journal();
    const oldest = made.closed[0]!;
    made.writer.forget(oldest.generation);
    made.writer.release(oldest.raw.path);
    // The files go round: these lie in what the first segment held.
    for (let i = 0; i < 8; i += 1) {
      made.write([100 + i]);
      made.writer.close();
      await settle();
      const { raw, generation } = made.closed[i + 1]!;
      made.writer.forget(generation);
      made.writer.release(raw.path);
    }
    const done = made.closed.at(-1)!.raw.last;
    assert.deepEqual(tags(made.recover(done).seen), []);
    made.write([200]);
    await made.writer.durable();
    assert.deepEqual(tags(made.recover(done).seen), [200]);
  });

  it('takes nothing of another epoch, nor under another name than its own', async () => {
    const made = await journal();
    const other = { number: epoch(2), id: EPOCH.id };
    assert.deepEqual(recoverRaws(made.disk, JOURNAL, other, lsn(0), () => undefined).raws, []);
    const twin = { number: EPOCH.number, id: 'cd'.repeat(16) };
    assert.deepEqual(recoverRaws(made.disk, JOURNAL, twin, lsn(0), () => undefined).raws, []);
    const last = paths(made).at(-1)!;
    made.disk.rename(last, last.replace(basename(last), basename(last).replace(/.\.open$/, 'f.open')));
    assert.deepEqual(tags(made.recover().seen), upTo(9));
  });

  it('refuses a file that is longer than any of ours before it takes memory for it', async () => {
    const made = await journal();
    const file = made.disk.open(paths(made)[0]!, 'write');
    const size = 2 ** 40;
    const files = {
      list: (folder: string) => made.disk.list(folder),
      open: () => ({ ...file, size: () => size }),
    };
    assert.throws(
      () =>
        recoverRaws(
          Object.assign(Object.create(made.disk), files) as never,
          JOURNAL,
          EPOCH,
          lsn(0),
          () => undefined,
        ),
      { code: 'RAW_SEGMENT_TOO_LONG' },
    );
  });
});
