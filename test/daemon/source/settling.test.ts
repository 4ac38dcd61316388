import assert from 'node:assert/strict';
import { systemError } from '../../support/tampered-files.ts';
import { SourceSite } from './source-site.ts';

describe('a source group that is settled', () => {
  it('has all that hosts wrote in its volumes', async () => {
    const site = await SourceSite.start();
    site.write('a');
    const seen = site.seen('a');
    assert.equal(await site.group.settle(), true);
    assert.ok(site.content('a').equals(seen));
    await site.group.stop();
  });

  it('has it too where all raw segments are in use: the last is closed as soon as one is free', async () => {
    const site = await SourceSite.start();
    while (site.volume('a').room() === undefined) site.write('a');
    const seen = site.seen('a');
    assert.equal(await site.group.settle(), true);
    assert.ok(site.content('a').equals(seen));
    await site.group.stop();
  });

  it('is not while its last segment cannot be closed for want of room, and is once there is some (I10)', async () => {
    const site = await withoutRename('ENOSPC');
    await assert.rejects(site.group.settle(), { code: 'JOURNAL_OPEN' });
    site.files.fault = () => undefined;
    assert.equal(await site.group.settle(), true);
    await site.group.stop();
  });

  it('is never once its journal has failed: what is in that is found at the next start (I10)', async () => {
    const site = await withoutRename('EIO');
    await assert.rejects(site.group.settle(), { code: 'JOURNAL_FAILED' });
    site.files.fault = () => undefined;
    await assert.rejects(site.group.settle(), { code: 'JOURNAL_OPEN' });
    await site.group.stop();
  });
});

/** No other segment can be begun. */
async function withoutRename(code: 'ENOSPC' | 'EIO'): Promise<SourceSite> {
  const site = await SourceSite.start();
  site.write('a');
  site.files.fault = ({ kind }) =>
    kind === 'rename' ? { when: 'before', error: systemError(code) } : undefined;
  return site;
}
