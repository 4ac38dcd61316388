import assert from 'node:assert/strict';
import { join } from 'node:path';
import { beginAnew } from '../../src/daemon/roles/turns.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { Site, Stream, write } from './stream.ts';

const RESYNC = 'e'.repeat(32);
const BOTH = { kind: 'attach', names: ['a', 'b'] } as const;

describe('a destination that begins anew', () => {
  it('begins with the first that comes, keeps aside what it held, and takes no data before the copy (I3, I10)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const first = site.start();
    const whole = [{ kind: 'init-begin' }, { kind: 'init-end' }] as const;
    await first.receive(site.deliver(stream.seal(BOTH, ...whole, write(0, 0, 1))));
    const held = (await first.applySome()).state;
    await first.close();
    stream.seal(write(0, 0, 2));
    beginAnew(nodeFiles, site.folder, RESYNC);
    const running = await runGroup(site);
    // Records that the volumes of before do not have the room for: one was resized in what is gone.
    site.deliver(
      stream.seal(write(1, 0, 3), { kind: 'resize', volume: 1, size: 65536 + 4096 }, write(1, 65536, 3)),
    );
    await until('what comes first being applied', () => running.status().applied === held.applied + 4);
    const kept = [...site.snapshots.taken.values()].map(({ name }) => name);
    assert.deepEqual(kept, [`diverged-1-${held.applied + 1}`]);
    assert.deepEqual(site.content()[1], Buffer.alloc(65536), 'of no use without what is gone');
    assert.equal(running.status().consistent, false);
    const copy = [{ kind: 'init-begin', resync: RESYNC }, BOTH] as const;
    site.deliver(stream.seal(...copy, write(0, 0, 2), write(1, 0, 3), { kind: 'init-end' }));
    await until('the copy ending', () => running.status().consistent);
    assert.deepEqual(
      site.content().map((volume) => volume.subarray(0, 65536)),
      stream.volumes.map((volume) => volume.subarray(0, 65536)),
    );
    await running.stop();
  });
});
