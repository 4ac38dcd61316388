import assert from 'node:assert/strict';
import type { SourceGroupConfig } from '../../../src/config/config.ts';
import { SourceIdentity } from '../../../src/daemon/source/source-identity.ts';
import { MemoryDisk } from '../../recovery/memory-disk.ts';
import { seededRandom } from '../../support/random.ts';
import { systemError, TamperedFiles } from '../../support/tampered-files.ts';

const RESYNC = '0a'.repeat(16);
const config = {
  folder: '/group',
  volumes: [{ name: 'a', path: '/volumes/a', size: 64 * 1024 }],
} as unknown as SourceGroupConfig;

describe('what a source is', () => {
  it('is what its file says: what could not be noted is not so, and is noted when it is tried again (I6)', () => {
    const disk = new MemoryDisk({ clones: false });
    for (const folder of ['/group', '/volumes']) disk.makeDirectory(folder);
    const files = new TamperedFiles(disk);
    const platform = { files, random: seededRandom('identity') };
    const identity = new SourceIdentity(platform, config);
    identity.begin();
    files.fault = () => ({ when: 'before', error: systemError('EIO') });
    assert.throws(() => identity.noteResync(RESYNC), /EIO/);
    assert.equal(identity.resync, undefined);
    files.fault = () => undefined;
    identity.noteResync(RESYNC);
    assert.equal(identity.resync, RESYNC);
    assert.equal(new SourceIdentity(platform, config).resync, RESYNC);
  });
});
