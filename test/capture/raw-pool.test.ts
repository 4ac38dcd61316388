import assert from 'node:assert/strict';
import { EXTENTS_MAX, RawPool, rawsMax, RAWS_SURE, type SpareRaw } from '../../src/capture/raw-pool.ts';
import { MemoryDisk } from '../recovery/memory-disk.ts';
import { systemError, TamperedFiles } from '../support/tampered-files.ts';

const FOLDER = '/journal';
const SIZE = 4096;
const SUCCESSOR = `${FOLDER}/next.open`;

describe('the pool of raw segments', () => {
  let disk: MemoryDisk;
  let files: TamperedFiles;
  beforeEach(() => {
    disk = new MemoryDisk({ clones: false });
    disk.makeDirectory(FOLDER);
    files = new TamperedFiles(disk);
  });

  const pool = (recovered = 0, max = RAWS_SURE, extents = (): number => 0): RawPool =>
    new RawPool(
      { files, folder: FOLDER, fileSize: SIZE, max, extents },
      { count: recovered, successor: SUCCESSOR },
    );

  /** The n-th is called `n.open` from then on. */
  function takeAll(from: RawPool, max = Infinity, first = 0): SpareRaw[] {
    const taken: SpareRaw[] = [];
    while (taken.length < max) {
      const spare = from.take();
      if (spare === undefined) break;
      from.rename(spare, `${FOLDER}/${first + taken.length}.open`);
      taken.push(spare);
    }
    return taken;
  }

  it('has three at hand from the start, and makes more up to its limit', () => {
    const made = pool();
    assert.equal(disk.list(FOLDER).length, 3);
    assert.equal(takeAll(made).length, RAWS_SURE);
    assert.equal(made.ready(), false);
  });

  it('counts what an earlier run left towards its limit, and clears its spares away', () => {
    disk.open(`${FOLDER}/spare-7.raw`, 'create-new');
    const made = pool(RAWS_SURE - 3);
    assert.equal(disk.stat(`${FOLDER}/spare-7.raw`), undefined);
    assert.equal(takeAll(made).length, 3);
    const over = pool(RAWS_SURE + 2);
    takeAll(over);
    const names = disk.list(FOLDER).length;
    over.give(`${FOLDER}/0.open`);
    assert.equal(disk.list(FOLDER).length, names - 1, 'one too many is not kept');
  });

  it('makes none of a name that an earlier pool of the same process may still remove', () => {
    const late: string[] = [];
    files.removeLater = (path) => {
      late.push(path);
      return Promise.resolve();
    };
    const before = pool(RAWS_SURE + 2);
    takeAll(before);
    for (const name of ['0', '1']) before.give(`${FOLDER}/${name}.open`);
    before.close();
    assert.ok(late.length > 0);
    const made = pool();
    const taken = takeAll(made, Infinity, 100);
    const spares = taken.map(({ path }) => path);
    assert.deepEqual(
      spares.filter((path) => late.includes(path)),
      [],
    );
  });

  it('begins with the file that an earlier run was to go on in, which keeps its name all the while', () => {
    disk.open(SUCCESSOR, 'create-new').truncate(SIZE);
    const made = pool(RAWS_SURE - 3);
    assert.deepEqual([disk.list(FOLDER).length, made.take()?.path], [3, SUCCESSOR]);
    disk.open(SUCCESSOR, 'write').truncate(SIZE / 2);
    assert.notEqual(pool().take()?.path, SUCCESSOR, 'one of another size is of no use');
    assert.ok(disk.stat(SUCCESSOR), 'but still says where the journal ends');
  });

  it('uses a file again when it is given back, and removes one of another size', () => {
    const made = pool();
    takeAll(made);
    made.give(`${FOLDER}/0.open`);
    const again = made.take();
    assert.equal(again?.file.size(), SIZE);
    assert.equal(disk.list(FOLDER).length, RAWS_SURE);
    disk.open(`${FOLDER}/1.open`, 'write').truncate(SIZE / 2);
    made.give(`${FOLDER}/1.open`);
    assert.equal(disk.list(FOLDER).length, RAWS_SURE - 1);
    assert.equal(made.take()?.file.size(), SIZE, 'another in its place');
  });

  for (const kind of ['open', 'allocate'] as const) {
    it(`has none to give while a full disk refuses to ${kind} one, leaves nothing behind, and has one again later (I8)`, () => {
      const made = pool();
      takeAll(made, 3);
      const names = disk.list(FOLDER).length;
      files.fault = (change) =>
        change.kind === kind ? { when: 'before', error: systemError('ENOSPC') } : undefined;
      assert.equal(made.ready(), false);
      assert.equal(made.take(), undefined);
      assert.equal(disk.list(FOLDER).length, names);
      files.fault = () => undefined;
      assert.equal(made.ready(), true);
    });
  }

  it('can be given a file again when that failed, and stays within its limit whatever fails', () => {
    for (let n = 1; n <= 6; n += 1) {
      const made = pool();
      const count = takeAll(made).length;
      const start = files.changes.length;
      files.fault = (change) =>
        change.count === start + n ? { when: 'before', error: systemError('EIO') } : undefined;
      try {
        made.give(`${FOLDER}/0.open`);
      } catch {
        made.give(`${FOLDER}/0.open`);
      }
      files.fault = () => undefined;
      const again = takeAll(made, Infinity, count);
      assert.equal(count - 1 + again.length, RAWS_SURE, `failure at change ${n}`);
      for (const name of disk.list(FOLDER)) disk.remove(`${FOLDER}/${name}`);
    }
  });

  it('makes more for a burst, as long as there is room to seal all of them twice over, and removes them behind it (I8)', () => {
    const made = pool(0, 2 * RAWS_SURE);
    disk.room = 2 * (RAWS_SURE + 2) * SIZE - 1;
    assert.equal(takeAll(made).length, RAWS_SURE + 1);
    disk.room = Infinity;
    const taken = RAWS_SURE + 1 + takeAll(made, Infinity, RAWS_SURE + 1).length;
    assert.deepEqual([taken, made.inUse], [2 * RAWS_SURE, 2 * RAWS_SURE]);
    for (let n = 0; n < taken; n += 1) made.give(`${FOLDER}/${n}.open`);
    assert.deepEqual([disk.list(FOLDER).length, made.inUse], [RAWS_SURE, 0]);
    assert.equal(takeAll(made).length, 2 * RAWS_SURE, 'as many again for the next burst');
  });

  it('makes none for a burst where the file system does not tell its room', () => {
    const made = pool(0, 2 * RAWS_SURE);
    files.freeSpace = () => {
      throw systemError('EIO');
    };
    assert.equal(takeAll(made).length, RAWS_SURE);
  });

  it('makes none for a burst while too much that is not destaged is in memory, and goes on when it is less', () => {
    let extents = EXTENTS_MAX;
    const made = pool(0, 2 * RAWS_SURE, () => extents);
    assert.equal(takeAll(made).length, RAWS_SURE);
    extents -= 1;
    assert.equal(takeAll(made, Infinity, RAWS_SURE).length, RAWS_SURE);
  });

  it('is a quarter of the quota at most, and 3 GiB, and never less than eight', () => {
    const [mib, gib] = [1024 * 1024, 1024 * 1024 * 1024];
    assert.equal(rawsMax(8 * mib, 64 * mib), RAWS_SURE);
    assert.equal(rawsMax(8 * mib, gib), 32);
    assert.equal(rawsMax(8 * mib, 100 * gib), 384);
  });

  it('hands out first what was given back last', () => {
    const made = pool();
    for (const [i, { file }] of takeAll(made, 3).entries()) file.write(Buffer.of(i), 0);
    for (const i of [0, 2, 1]) made.give(`${FOLDER}/${i}.open`);
    const numbers = takeAll(made, 3).map(({ file }) => {
      const number = Buffer.alloc(1);
      file.read(number, 0);
      return number[0];
    });
    assert.deepEqual(numbers, [1, 2, 0]);
  });

  it('hands out first what could not be used before', () => {
    const made = pool();
    const spare = made.take()!;
    made.putBack(spare);
    assert.equal(made.take(), spare);
  });
});
