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

describe('a read that is not to wait', () => {
  const content = Buffer.from(Array.from({ length: 600 * 1024 }, (_, i) => i % 253));

  it('gives what is in memory, and brings in what is not, for a read of it then', async () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, content);
    const file = nodeFiles.open(path, 'read');
    const into = Buffer.alloc(content.length - 512);
    await file.sync();
    file.forgetCached(0, content.length);
    const result = file.readNow(into, 512);
    if (typeof result === 'number') assert.equal(result, into.length);
    else {
      await result;
      assert.equal(file.read(into, 512), into.length);
    }
    assert.ok(into.equals(content.subarray(512)));
    file.close();
  });

  it('tells where the file ends as any read does', async () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, content.subarray(0, 5000));
    const file = nodeFiles.open(path, 'read');
    const into = Buffer.alloc(4096);
    const behind = file.readNow(into, 8192);
    assert.equal(behind, 0);
    const across = file.readNow(into, 4096);
    await across;
    assert.equal(file.read(into, 4096), 5000 - 4096);
    if (typeof across === 'number') assert.equal(across, 5000 - 4096);
    file.close();
  });

  it('is over, without harm, when its file is closed meanwhile', async () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, content);
    const file = nodeFiles.open(path, 'read');
    await file.sync();
    file.forgetCached(0, content.length);
    const result = file.readNow(Buffer.alloc(content.length), 0);
    file.close();
    await Promise.allSettled([result]);
  });
});

describe('a sync that is begun', () => {
  it('is over when it was waited for, in any order and of more files than there are threads for it', () => {
    const folder = temporaryFolder();
    const files = Array.from({ length: 40 }, (_, i) => nodeFiles.open(join(folder, `${i}`), 'create'));
    const waits = files.map((file) => {
      file.write(Buffer.alloc(65_536, 7), 0);
      return file.beginSync();
    });
    for (const wait of waits.toReversed()) wait();
    for (const file of files) {
      const wait = file.beginSync();
      wait();
      file.close();
    }
  });

  it('throws what it failed with when it is waited for', function () {
    if (process.platform !== 'linux') this.skip();
    const file = nodeFiles.open('/dev/null', 'write');
    const wait = file.beginSync();
    assert.throws(wait, { code: 'EINVAL', syscall: 'fdatasync' });
    file.close();
  });

  it('is done when it is waited for where it cannot be begun, as of a file that is only read', () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, 'content');
    const file = nodeFiles.open(path, 'read');
    const wait = file.beginSync();
    wait();
    file.close();
  });
});
