import assert from 'node:assert/strict';
import { appendFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { watch } from '../../src/daemon/watch.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../destage/running-group.ts';

describe('a watched inbox', () => {
  it('tells of a segment once, when it is complete', async () => {
    const folder = temporaryFolder();
    let calls = 0;
    const unwatch = watch(folder, () => (calls += 1));
    const path = join(folder, '1.seg');
    try {
      for (let i = 0; i < 100; i += 1) appendFileSync(`${path}.part`, 'some of it');
      renameSync(`${path}.part`, path);
      await until('it is told of', () => calls > 0);
      assert.equal(calls, 1);
      for (let i = 0; i < 100; i += 1) appendFileSync(path, 'more');
      renameSync(path, join(folder, '2.seg'));
      await until('both names are told of', () => calls >= 3);
      assert.equal(calls, 3, 'what is written to one is not');
    } finally {
      unwatch();
    }
  });

  it('may be missing: it is looked at from time to time', () => {
    watch(join(temporaryFolder(), 'missing'), () => undefined)();
  });
});
