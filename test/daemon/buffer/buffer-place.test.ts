import assert from 'node:assert/strict';
import {
  announceMove,
  beginMove,
  commitMove,
  findGroup,
  forgetMove,
  forgetOld,
  isLeftBehind,
  type Whereabouts,
} from '../../../src/daemon/buffer/buffer-place.ts';
import { epoch } from '../../../src/journal/ids.ts';
import { writeGroupFile } from '../../../src/journal/source-files.ts';
import { describeError, errorCode, OperatorError } from '../../../src/platform/errors.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { systemError, TamperedFiles } from '../../support/tampered-files.ts';

const OLD = '/old/g';
const NEW = '/new/g';

describe('the place of a group whose buffer moves', () => {
  let disk: MemoryDisk;
  let files: TamperedFiles;
  beforeEach(() => {
    disk = new MemoryDisk({ clones: false });
    files = new TamperedFiles(disk);
    putGroup(OLD);
  });

  function putGroup(folder: string): void {
    files.makeDirectory(folder);
    const id = '34'.repeat(16);
    writeGroupFile(files, folder, { id, epoch: { number: epoch(1), id }, volumes: [] });
  }

  const find = (wanted: string, on: TamperedFiles | MemoryDisk = files): Whereabouts =>
    findGroup(on, 'g', wanted);

  function begin(from: string, to: string): void {
    announceMove(files, 'g', from, to);
    beginMove(files, from, to);
    putGroup(to);
  }

  const hasMoved = (error: unknown): boolean =>
    error instanceof OperatorError &&
    error.code === 'GROUP_MOVED' &&
    error.remedy === 'set groups.g.buffer to /new';

  it('is what the configuration names where none was moved', () => {
    assert.deepEqual(find(OLD), { live: OLD, left: [] });
    assert.deepEqual(find(NEW), { live: NEW, left: [] });
  });

  it('is the old folder until the move is done, whichever is named, and the new one from then on (I6)', () => {
    announceMove(files, 'g', OLD, NEW);
    assert.deepEqual(find(NEW), { live: OLD, left: [] });
    assert.deepEqual(find(OLD), { live: OLD, left: [] });
    begin(OLD, NEW);
    for (const wanted of [OLD, NEW]) assert.deepEqual(find(wanted), { live: OLD, left: [NEW] });
    assert.ok(isLeftBehind(files, NEW, OLD) && !isLeftBehind(files, OLD, NEW));
    commitMove(files, OLD, NEW);
    assert.deepEqual(find(NEW), { live: NEW, left: [OLD] });
    assert.throws(() => find(OLD), hasMoved);
    assert.ok(isLeftBehind(files, OLD, NEW) && !isLeftBehind(files, NEW, OLD));
    forgetOld(files, OLD, NEW);
    assert.deepEqual(find(NEW), { live: NEW, left: [] });
    assert.throws(() => find(OLD), hasMoved);
  });

  it('is one of the two, and both say the same, whenever the power fails (I6)', () => {
    const seen = new Set<string>();
    begin(OLD, NEW);
    const before = files.changes.length;
    commitMove(files, OLD, NEW);
    const changes = files.changes.length - before;
    for (let n = 1; n <= changes; n += 1) {
      for (const keeps of [true, false]) {
        disk = new MemoryDisk({ clones: false });
        files = new TamperedFiles(disk);
        putGroup(OLD);
        begin(OLD, NEW);
        files.dieAt(files.changes.length + n, 'after');
        let said: string | undefined;
        try {
          commitMove(files, OLD, NEW);
        } catch (error) {
          said = describeError(error);
        }
        disk.cutPower(() => keeps);
        const { live } = find(NEW, disk);
        seen.add(live);
        if (live === NEW) assert.throws(() => find(OLD, disk), hasMoved);
        else assert.equal(find(OLD, disk).live, OLD);
        if (said === undefined) assert.equal(live, NEW);
      }
    }
    assert.deepEqual([...seen].toSorted(), [NEW, OLD]);
  });

  it('is known, or the group is to be restarted, when the disk fails at its note', () => {
    for (let n = 1; n < 12; n += 1) {
      for (const count of [1, 100]) {
        disk = new MemoryDisk({ clones: false });
        files = new TamperedFiles(disk);
        putGroup(OLD);
        begin(OLD, NEW);
        const first = files.changes.length + n;
        files.fault = (change) =>
          change.count >= first && change.count < first + count && change.path.startsWith(OLD)
            ? { when: 'after', error: systemError('EIO') }
            : undefined;
        let said: string | undefined;
        try {
          commitMove(files, OLD, NEW);
        } catch (error) {
          said = errorCode(error);
        }
        const { live } = find(NEW, disk);
        if (said === undefined) assert.equal(live, NEW);
        else if (said === 'EIO') assert.equal(live, OLD);
        else assert.equal(said, 'GROUP_MOVE_UNKNOWN');
      }
    }
  });

  it('is no folder that something else is in, or that lies in the present one', () => {
    const refused = { code: 'BUFFER_TAKEN' };
    for (const to of ['/old/g/inner/g', '/old'])
      assert.throws(() => announceMove(files, 'g', OLD, to), refused);
    putGroup(NEW);
    assert.throws(() => announceMove(files, 'g', OLD, NEW), refused);
    assert.deepEqual(find(NEW), { live: NEW, left: [] }, 'nothing was written there');
  });

  it('is no folder that cannot be written, which is said', () => {
    files.fault = ({ path }) =>
      path.startsWith(NEW) ? { when: 'before', error: systemError('ENOSPC') } : undefined;
    assert.throws(() => announceMove(files, 'g', OLD, NEW), { code: 'BUFFER_UNUSABLE' });
  });

  it('is not known while the folder that it moves from is away, and is once the move is done', () => {
    begin(OLD, NEW);
    const away = (): TamperedFiles => {
      const seen = new TamperedFiles(disk);
      seen.stat = (path) => (path.startsWith(OLD) ? undefined : disk.stat(path));
      return seen;
    };
    assert.throws(() => find(NEW, away()), { code: 'GROUP_MOVE_UNKNOWN' });
    commitMove(files, OLD, NEW);
    assert.deepEqual(find(NEW, away()), { live: NEW, left: [OLD] });
    assert.equal(isLeftBehind(away(), OLD, NEW), false, 'nothing is removed there');
  });

  it('goes back to the folder that it came from, and on to a third (I6)', () => {
    begin(OLD, NEW);
    commitMove(files, OLD, NEW);
    forgetOld(files, OLD, NEW);
    files.remove(`${OLD}/group.json`);
    begin(NEW, OLD);
    assert.deepEqual(find(OLD), { live: NEW, left: [OLD] });
    commitMove(files, NEW, OLD);
    assert.deepEqual(find(OLD), { live: OLD, left: [NEW] });
    assert.throws(() => find(NEW), { code: 'GROUP_MOVED' });
    begin(OLD, '/third/g');
    commitMove(files, OLD, '/third/g');
    for (const stale of [OLD, NEW]) assert.throws(() => find(stale), { code: 'GROUP_MOVED' });
    assert.equal(find('/third/g').live, '/third/g');
  });

  it('is as if nothing had been said of a move that was called off', () => {
    begin(OLD, NEW);
    files.remove(`${NEW}/group.json`);
    forgetMove(files, OLD, NEW);
    assert.deepEqual(find(OLD), { live: OLD, left: [] });
    assert.deepEqual(files.list(NEW), []);
  });
});
