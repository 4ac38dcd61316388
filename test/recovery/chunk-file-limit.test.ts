import assert from 'node:assert/strict';
import { OperatorError } from '../../src/platform/errors.ts';
import { lsn } from '../../src/journal/ids.ts';
import { ChunkFile, CHUNK_FILE_SIZE_MAX } from '../../src/recovery/chunk-file.ts';
import { BLOCK_SIZE, RunBuilder } from '../../src/recovery/chunk-format.ts';
import { chunkKey } from '../../src/recovery/chunk-index.ts';
import { CHUNK_SIZE, granulesIn } from '../../src/recovery/granules.ts';
import { memoryPlace } from './memory-place.ts';
import { hexId } from './replica.ts';

describe('a chunk file at its limit', () => {
  it('names what can be done while nothing is applied: deleting the snapshot that it is kept for', () => {
    const { files, folder } = memoryPlace([CHUNK_SIZE]);
    files.makeDirectory(folder);
    const volumes = [{ name: 'a', size: CHUNK_SIZE }];
    const entry = { id: hexId(1), name: 'nightly', lsn: lsn(1), time: 0, volumes };
    ChunkFile.create(files, folder, entry).close();
    const open: typeof files.open = (path, mode) =>
      Object.assign(Object.create(files.open(path, mode)) as ReturnType<typeof files.open>, {
        truncate: () => undefined,
        syncNow: () => undefined,
      });
    const tall = { ...entry, kept: CHUNK_FILE_SIZE_MAX - BLOCK_SIZE };
    const endless = Object.assign(Object.create(files) as typeof files, { open });
    const chunkFile = new ChunkFile(endless, folder, tall);
    chunkFile.reopen();
    const builder = new RunBuilder();
    assert.throws(
      () => chunkFile.append(new Map([[chunkKey(0, 0), granulesIn(0, 512)]]), { read: () => true, builder }),
      (error: unknown) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.code, 'SNAPSHOT_LIMIT');
        assert.match(error.message, /since snapshot nightly, has reached/);
        assert.match(error.remedy, /blockferry snapshot delete GROUP nightly/);
        return true;
      },
    );
  });
});
