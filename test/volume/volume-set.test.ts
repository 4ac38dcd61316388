import assert from 'node:assert/strict';
import { readFileSync, renameSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lsn, type VolumeIndex } from '../../src/journal/ids.ts';
import { RecordFlag, RecordKind, type JournalRecord } from '../../src/journal/record.ts';
import { errorCode } from '../../src/platform/errors.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { VolumeSet } from '../../src/volume/volume-set.ts';
import { temporaryFolder } from '../support/folder.ts';

const SIZE = 4 * 1024 * 1024;

function record(kind: 'write' | 'zero', offset: number, length: number, flags = 0): JournalRecord {
  const payload = kind === 'write' ? Buffer.alloc(length, 5) : Buffer.alloc(0);
  return { kind: RecordKind[kind], flags, volume: 0 as VolumeIndex, lsn: lsn(1), offset, length, payload };
}

function isOffline(error: unknown): boolean {
  return errorCode(error) === 'VOLUME_OFFLINE';
}

describe('a set of volumes', () => {
  function prepare(): { path: string; set: VolumeSet } {
    const path = join(temporaryFolder(), 'a.img');
    writeFileSync(path, Buffer.alloc(SIZE, 1));
    return {
      path,
      set: new VolumeSet(nodeFiles, [{ index: 0 as VolumeIndex, name: 'a', path, size: SIZE }]),
    };
  }

  it('writes in order; zeros give their blocks back unless they are to be kept', () => {
    const { path, set } = prepare();
    const before = statSync(path).blocks;
    set.apply([record('write', 0, 4096), record('zero', 512, 512)], { fromVolume: 'apply' });
    set.apply([record('zero', SIZE / 2, SIZE / 2, RecordFlag.keepAllocated)], { fromVolume: 'apply' });
    set.sync();
    assert.ok(statSync(path).blocks >= before - 8);
    set.apply([record('zero', SIZE / 2, SIZE / 2)], { fromVolume: 'apply' });
    set.sync();
    assert.ok(statSync(path).blocks <= before / 2 + 8);
    const expected = Buffer.alloc(SIZE, 1);
    expected
      .fill(5, 0, 4096)
      .fill(0, 512, 1024)
      .fill(0, SIZE / 2);
    assert.ok(readFileSync(path).equals(expected));
    set.close();
  });

  it('skips what the source copied from its own volume, at the source', () => {
    const { path, set } = prepare();
    set.apply([record('write', 0, 512, RecordFlag.fromVolume)], { fromVolume: 'skip' });
    assert.equal(readFileSync(path)[0], 1);
    set.apply([record('write', 0, 512, RecordFlag.fromVolume)], { fromVolume: 'apply' });
    assert.equal(readFileSync(path)[0], 5);
    set.close();
  });

  it('tells a volume that cannot be read from one that is away, and from what its reader throws', () => {
    const { path, set } = prepare();
    const index = 0 as VolumeIndex;
    const readEnd = (): void => {
      set.look(index, (content) => {
        content.read(Buffer.alloc(1024), SIZE - 512);
      });
    };
    assert.throws(readEnd, {
      code: 'VOLUME_UNREADABLE',
      message: /cannot be read at byte \d+: it ends at \d+/,
    });
    const full = Object.assign(new Error('the drive is full'), { code: 'ENOSPC' });
    assert.throws(
      () =>
        set.look(index, () => {
          throw full;
        }),
      full,
    );
    renameSync(path, `${path}.away`);
    set.close();
    assert.throws(readEnd, isOffline);
  });

  it('has everything that is overwritten preserved before anything is (I7)', () => {
    const { path, set } = prepare();
    set.apply([record('write', 0, 512), record('zero', 4096, 512)], {
      fromVolume: 'apply',
      preserve(ranges) {
        assert.deepEqual(
          ranges.map(({ offset }) => offset),
          [0, 4096],
        );
        assert.equal(readFileSync(path)[0], 1);
      },
    });
    set.close();
  });

  it('writes nothing of a call in which one record lies outside its volume', () => {
    const { path, set } = prepare();
    assert.throws(
      () => set.apply([record('write', 0, 512), record('write', SIZE - 256, 512)], { fromVolume: 'apply' }),
      (error) => errorCode(error) === 'VOLUME_BOUNDS',
    );
    assert.equal(readFileSync(path)[0], 1);
    set.close();
  });

  it('says that a volume is offline when it is missing or too small, and opens it anew when it is back', () => {
    const { path, set } = prepare();
    renameSync(path, `${path}.away`);
    assert.throws(() => set.apply([record('write', 0, 512)], { fromVolume: 'apply' }), isOffline);
    renameSync(`${path}.away`, path);
    truncateSync(path, SIZE / 2);
    assert.throws(() => set.apply([record('write', 0, 512)], { fromVolume: 'apply' }), isOffline);
    truncateSync(path, SIZE);
    set.apply([record('write', 0, 512)], { fromVolume: 'apply' });
    set.sync();
    assert.equal(readFileSync(path)[0], 5);
    set.close();
  });

  it('does not call durable what it wrote to a file that was removed meanwhile', () => {
    const { path, set } = prepare();
    set.apply([record('write', 0, 512)], { fromVolume: 'apply' });
    unlinkSync(path);
    assert.throws(() => set.sync(), isOffline);
    set.close();
  });

  it('keeps in memory what is read: of what nobody is about to read, and came in large pieces, nothing once it is durable', () => {
    const done: unknown[] = [];
    const path = join(temporaryFolder(), 'a.img');
    writeFileSync(path, Buffer.alloc(SIZE));
    const open: Files['open'] = (...args) =>
      Object.assign(nodeFiles.open(...args), {
        syncNow: () => done.push('sync'),
        forgetCached: (...range: number[]) => done.push(range),
      });
    const volume = { index: 0 as VolumeIndex, name: 'a', path, size: SIZE };
    const set = new VolumeSet({ ...nodeFiles, open }, [volume]);
    const large = 128 * 1024;
    const records = [0, large, 3 * large].map((at) => record('write', at, large));
    set.apply([...records, record('write', 8 * large, 4096)], { fromVolume: 'apply', isUnread: true });
    assert.deepEqual(done, []);
    set.sync();
    const forgotten = [
      [0, 2 * large],
      [3 * large, large],
    ];
    assert.deepEqual(done.splice(0), ['sync', ...forgotten]);
    set.apply(records, { fromVolume: 'skip' });
    set.sync();
    assert.deepEqual(done, ['sync']);
    set.close();
  });

  describe('that were written much of', () => {
    /** `failure`: of the syncs that are begun. */
    function prepareBegun(failure?: Error): { set: VolumeSet; begun: string[] } {
      const begun: string[] = [];
      const path = join(temporaryFolder(), 'a.img');
      writeFileSync(path, Buffer.alloc(SIZE));
      const open: Files['open'] = (...args) =>
        Object.assign(nodeFiles.open(...args), {
          beginSync: () => {
            begun.push('begun');
            return () => {
              begun.push('waited for');
              if (failure !== undefined) throw failure;
            };
          },
        });
      const volume = { index: 0 as VolumeIndex, name: 'a', path, size: SIZE };
      return { set: new VolumeSet({ ...nodeFiles, open }, [volume]), begun };
    }
    const much = [record('write', 0, SIZE), record('write', 0, SIZE)];

    it('begin to be synced, one sync at a time, and the one that counts waits for it (I6)', () => {
      const { set, begun } = prepareBegun();
      set.apply([record('write', 0, SIZE)], { fromVolume: 'apply' });
      set.beginSync();
      assert.deepEqual(begun, []);
      set.apply([record('write', 0, SIZE)], { fromVolume: 'apply' });
      set.beginSync();
      set.beginSync();
      assert.deepEqual(begun, ['begun']);
      set.apply(much, { fromVolume: 'apply' });
      set.beginSync();
      assert.deepEqual(begun, ['begun', 'waited for', 'begun']);
      set.sync();
      set.sync();
      assert.deepEqual(begun, ['begun', 'waited for', 'begun', 'waited for']);
      set.close();
    });

    it('are not durable when a sync that had begun failed, though the files were closed before that was told (I6)', () => {
      const { set, begun } = prepareBegun(Object.assign(new Error('bad sector'), { code: 'EIO' }));
      set.apply(much, { fromVolume: 'apply' });
      set.beginSync();
      set.close();
      assert.deepEqual(begun, ['begun', 'waited for']);
      assert.throws(() => set.sync(), isOffline);
      set.sync();
      set.close();
    });

    it('are waited for before any other sync of the file, which would be told of the failure in its place', () => {
      for (const act of [
        (set: VolumeSet) => set.extend(0 as VolumeIndex, SIZE),
        (set: VolumeSet) => set.clear(0 as VolumeIndex, 0, 4096),
      ]) {
        const { set, begun } = prepareBegun();
        set.apply(much, { fromVolume: 'apply' });
        set.beginSync();
        act(set);
        assert.deepEqual(begun, ['begun', 'waited for']);
        set.close();
      }
    });
  });
});
