import assert from 'node:assert/strict';
import { join } from 'node:path';
import { beginAnew } from '../../src/daemon/roles/turns.ts';
import { writeDestinationState } from '../../src/destage/state-file.ts';
import { statusOf } from '../../src/destage/status-of.ts';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until } from './running-group.ts';
import { Site, Stream, write } from './stream.ts';

const RESYNC = 'e'.repeat(32);
const NOW = { missing: [], refused: [], full: false, waiting: undefined };
const BOTH = { kind: 'attach', names: ['a', 'b'] } as const;

describe('a destination that begins anew', () => {
  it('begins with the first that comes, keeps aside what it held, and takes no data before the copy (I3, I10)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const first = site.start();
    const whole = [{ kind: 'init-begin' }, { kind: 'init-end' }] as const;
    await first.receive([site.deliver(stream.seal(BOTH, ...whole, write(0, 0, 1)))]);
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

  it('asks for another copy where its journal begins in the middle of one and the next goes on with that (I3)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    await site.start().close();
    beginAnew(nodeFiles, site.folder, RESYNC);
    const running = await runGroup(site);
    const copy = { kind: 'init-begin', resync: RESYNC } as const;
    stream.seal(copy, BOTH, write(0, 0, 1));
    site.deliver(stream.seal(write(0, 4096, 2)));
    site.deliver(stream.seal({ ...copy, again: true }, BOTH, write(1, 0, 3), { kind: 'init-end' }));
    await until('the end of what goes on', () => running.status().applied === 8);
    assert.equal(running.status().consistent, false);
    const facts = await running.back.facts();
    const resync = statusOf(facts, { id: RESYNC, volumes: [], anew: true }, NOW).resync?.id ?? '';
    assert.match(resync, /^[0-9a-f]{32}$/);
    assert.notEqual(resync, RESYNC);
    const other = { ...copy, resync };
    site.deliver(stream.seal(other, BOTH, write(0, 0, 1)));
    site.deliver(stream.seal({ ...other, again: true }, BOTH, write(0, 4096, 2), write(1, 0, 3)));
    site.deliver(stream.seal({ kind: 'init-end' }));
    await until('the copy that it asks for', () => running.status().consistent);
    assert.deepEqual(site.content(), stream.volumes);
    await running.stop();
  });

  it('keeps what it holds each time, also where its folder is set back to the same record twice (I10)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const first = site.start();
    await first.receive([site.deliver(stream.seal(BOTH, { kind: 'init-begin' }, { kind: 'init-end' }))]);
    const before = (await first.applySome()).state;
    await first.close();
    const held: Buffer[][] = [];
    for (const [times, id] of [RESYNC, 'f'.repeat(32)].entries()) {
      // What comes in between is not there any more, but for what it made of the volumes.
      const copy = [{ kind: 'init-begin', resync: id }, BOTH, write(0, 0, times + 1)] as const;
      writeDestinationState(nodeFiles, site.folder, before);
      held.push(site.content());
      stream.seal(write(1, 0, times + 1));
      beginAnew(nodeFiles, site.folder, id);
      const running = await runGroup(site);
      site.deliver(stream.seal(...copy, { kind: 'init-end' }));
      const end = before.applied + 5 * (times + 1);
      await until('the copy ending', () => running.status().applied === end && running.status().consistent);
      await running.stop();
    }
    const kept = [...site.snapshots.taken.values()].filter(({ name }) => name.startsWith('diverged-'));
    assert.deepEqual(
      kept.map(({ lsn, content }) => [lsn, content[0]?.[0]]),
      held.map(([volume]) => [before.applied + 1, volume?.[0]]),
    );
  });
});
