import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';

describe('a file that is removed off the thread', () => {
  it('is gone when that is told, one that is not there is no error, and any other failure is', async () => {
    const folder = temporaryFolder();
    const [file, other] = [join(folder, 'file'), join(folder, 'other')];
    writeFileSync(file, 'content');
    mkdirSync(other);
    await nodeFiles.removeLater(file);
    assert.ok(!existsSync(file));
    await nodeFiles.removeLater(file);
    await assert.rejects(nodeFiles.removeLater(other), { syscall: 'unlink' });
  });
});
