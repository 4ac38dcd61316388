import assert from 'node:assert/strict';
import { announceMove, findGroup } from '../../../src/daemon/buffer/buffer-place.ts';
import { expectMove, rememberBuffer } from '../../../src/daemon/buffer/known-buffers.ts';
import { epoch } from '../../../src/journal/ids.ts';
import { writeGroupFile } from '../../../src/journal/source-files.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';

const [STATE, OLD, NEW] = ['/state', '/old/g', '/new/g'];

describe('a source whose configuration names another buffer at a start', () => {
  let files: MemoryDisk;
  beforeEach(() => {
    files = new MemoryDisk({ clones: false });
    for (const folder of [STATE, '/new']) files.makeDirectory(folder);
    putGroup(OLD);
    rememberBuffer(files, STATE, 'g', OLD);
  });

  function putGroup(folder: string): void {
    files.makeDirectory(folder);
    const id = '34'.repeat(16);
    writeGroupFile(files, folder, { id, epoch: { number: epoch(1), id }, volumes: [] });
  }

  it('goes on where it was, to move from there, and begins no new group', () => {
    expectMove(files, STATE, 'g', NEW);
    assert.equal(findGroup(files, 'g', NEW).live, OLD);
  });

  it('goes on where it was though it was about to move to yet another', () => {
    announceMove(files, 'g', OLD, NEW);
    putGroup(NEW);
    rememberBuffer(files, STATE, 'g', NEW);
    expectMove(files, STATE, 'g', '/third/g');
    assert.equal(findGroup(files, 'g', '/third/g').live, OLD);
  });

  it('is there when somebody has moved it, and new where there was none', () => {
    putGroup(NEW);
    expectMove(files, STATE, 'g', NEW);
    assert.equal(findGroup(files, 'g', NEW).live, NEW);
    files.remove(`${OLD}/group.json`);
    for (const group of ['g', 'other']) expectMove(files, STATE, group, '/third/g');
    assert.equal(findGroup(files, 'g', '/third/g').live, '/third/g');
  });
});
