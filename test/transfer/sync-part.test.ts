import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { whileSyncsFail } from '../support/failing-sync.ts';
import { temporaryFolder } from '../support/folder.ts';

const NAME = 'inbox/00000001-0000000000000001-0000000000000001.seg';
const CONTENT = Buffer.alloc(4096, 7);

/** Its bytes may be in memory alone, though the next sync succeeds (I6). */
describe('a part whose sync failed', () => {
  const options = { signal: new AbortController().signal };
  let [local, root] = ['', ''];
  let transport: FolderTransport;

  beforeEach(() => {
    [local, root] = [join(temporaryFolder(), 'segment'), temporaryFolder()];
    mkdirSync(join(root, 'inbox'));
    transport = new FolderTransport({ path: root });
  });

  afterEach(() => transport.close());

  it('is not resumed where it was fetched', async () => {
    writeFileSync(join(root, NAME), CONTENT);
    const target = { path: local, size: CONTENT.length };
    await whileSyncsFail(() => assert.rejects(transport.get(NAME, target, options)));
    assert.equal(statSync(local).size, 0);
    await transport.get(NAME, target, options);
    assert.deepEqual(readFileSync(local), CONTENT);
  });

  it('is not resumed where it was put into a folder', async () => {
    writeFileSync(local, CONTENT);
    const source = { path: local, size: CONTENT.length };
    await whileSyncsFail(() => assert.rejects(transport.put(source, NAME, options)));
    assert.equal(statSync(join(root, `${NAME}.part`)).size, 0);
    await transport.put(source, NAME, options);
    assert.deepEqual(readFileSync(join(root, NAME)), CONTENT);
  });
});
