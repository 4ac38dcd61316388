import assert from 'node:assert/strict';
import { join } from 'node:path';
import { RESCAN } from '../../src/destage/inbox.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import type { Files } from '../../src/platform/files.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { assertVolumes, KEY, Site, Stream, unsyncedFiles, write } from './stream.ts';

const SEGMENTS = 1200;

/** Real files that are never waited for, with a count of the calls that look at the inbox. */
function countingFiles(): { files: Files; calls: { list: number; stat: number } } {
  const calls = { list: 0, stat: 0 };
  const files: Files = {
    ...unsyncedFiles,
    list(directory) {
      if (directory.endsWith('/inbox')) calls.list += 1;
      return nodeFiles.list(directory);
    },
    stat(path) {
      if (path.includes('/inbox/')) calls.stat += 1;
      return nodeFiles.stat(path);
    },
  };
  return { files, calls };
}

describe('a backlog of thousands of segments', () => {
  function prepare(): { site: Site; stream: Stream; paths: string[] } {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'), KEY, unsyncedFiles);
    const paths = [
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    ];
    for (let i = 1; i < SEGMENTS; i += 1) paths.push(stream.seal(write(i % 2, (i % 16) * 4096, i % 256)));
    return { site: new Site(root), stream, paths };
  }

  it('begins to be applied at once, and costs what it holds: each file is looked at once', async () => {
    const { site, stream, paths } = prepare();
    for (const path of paths) site.deliver(path);
    const { files, calls } = countingFiles();
    const written: DestinationStatus[] = [];
    const running = await runGroup(site, { files, written, clock: nodeClock });
    // Events come in all the while, as they do when a source goes on sending.
    const events = setInterval(() => running.group.wake(), 1);
    await until('all of it', () => running.group.report().facts.state.applied === SEGMENTS + 2);
    clearInterval(events);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
    assert.ok(
      written.every(({ received, applied }) => received - applied <= 16),
      'received and applied by turns',
    );
    assert.ok(calls.stat <= SEGMENTS, `${calls.stat} files were looked at`);
    // Twelve hundred files in batches of eight, and a rescan every two seconds.
    assert.ok(calls.list < SEGMENTS / 4, `the inbox was listed ${calls.list} times`);
  });

  it('is not listed again at every event while it waits behind a hole', async () => {
    const { site, stream, paths } = prepare();
    const [first, held, ...rest] = paths;
    for (const path of [first!, ...rest]) site.deliver(path);
    const { files, calls } = countingFiles();
    const running = await runGroup(site, { files, clock: nodeClock });
    await until('the hole', () => running.waitsFor('hole'));
    const before = calls.list;
    const began = nodeClock.monotonic();
    for (let event = 0; event < 1000; event += 1) {
      running.group.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const rescans = (nodeClock.monotonic() - began) / RESCAN + 2;
    assert.ok(calls.list - before <= rescans, `it was listed ${calls.list - before} times`);
    assert.ok(calls.stat <= SEGMENTS, `${calls.stat} files were looked at`);
    site.deliver(held!);
    running.group.wake();
    await until('all of it', () => running.group.report().facts.state.applied === SEGMENTS + 2);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });
});
