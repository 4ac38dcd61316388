import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountFileSystem, unmount } from '../recovery/loop-devices.ts';
import { temporaryFolder } from '../support/folder.ts';
import { fill } from '../support/full-disk.ts';
import { runGroup, until } from './running-group.ts';
import { assertVolumes, Site, Stream, write } from './stream.ts';

/** More than the room that a destination leaves alone. */
const DISK_MIB = 80;

describe('a destination on a full disk', () => {
  let disk = '';

  beforeEach(() => {
    disk = mountFileSystem(temporaryFolder(), 'ext4', DISK_MIB);
  });

  afterEach(() => unmount(disk));

  it('moves its checkpoint, sets aside, tells its source, and goes on by itself when there is room (I8)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(disk, join(root, 'volumes'));
    const begin = stream.seal(
      { kind: 'attach', names: ['a', 'b'] },
      { kind: 'init-begin' },
      { kind: 'init-end' },
    );
    const first = await runGroup(site);
    site.deliver(begin);
    await until('the first segment', () => first.status().applied === 3);
    assert.equal(first.status().full, false);
    await first.stop();
    const paths = Array.from({ length: 20 }, (_, i) => stream.seal(write(i % 2, (i % 8) * 4096, i + 1)));
    for (const path of paths.slice(0, 12)) site.deliver(path);
    const damaged = site.deliver(paths[12]!);
    writeFileSync(join(site.folder, 'inbox', damaged), Buffer.alloc(100, 7));
    const filler = fill(disk);

    for (const round of [1, 2]) {
      const full = await runGroup(site);
      await until('applying on a full disk', () => full.status().applied === 15);
      await until('telling why', () => full.status().full && full.status().waiting?.code === 'disk-full');
      for (const beat of [1, 2]) {
        // What the applied segments and the old status gave back is gone too.
        fill(disk);
        const { sequence } = full.status();
        await until(`heartbeat ${beat}`, () => full.status().sequence > sequence + 1);
      }
      await full.stop();
      const aside = readdirSync(join(site.folder, 'set-aside'));
      assert.equal(aside.length, 2, `round ${round}: the refused segment and the reason beside it`);
    }
    assert.ok(!readdirSync(join(site.folder, 'inbox')).includes(damaged));

    const again = await runGroup(site);
    rmSync(filler, { recursive: true });
    await until('room', () => !again.status().full && again.status().waiting === undefined);
    for (const path of paths.slice(12)) site.deliver(path);
    await until('all of it', () => again.status().applied === 23);
    await again.stop();
    assertVolumes(site.content(), stream.volumes);
  });

  it('keeps its place and its room for the checkpoint while others take every block that is freed (I8)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(disk, join(root, 'volumes'));
    const paths = [
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
      ...Array.from({ length: 30 }, (_, i) => stream.seal(write(i % 2, (i % 8) * 4096, i + 1))),
    ];
    for (const path of paths) site.deliver(path);
    const back = site.start();
    const names = paths.map((path) => path.slice(path.lastIndexOf('/') + 1));
    await back.receive([names[0]!]);
    await back.applySome();
    fill(disk);
    for (const [i, name] of names.slice(1).entries()) {
      await back.receive([name]);
      assert.equal((await back.applySome()).state.applied, 4 + i);
      // Whatever the removed segment gave back is gone at once.
      fill(disk);
    }
    await back.close();
    assertVolumes(site.content(), stream.volumes);
  });

  it('waits with the volume’s name when a sparse volume finds no room, goes on receiving, and resumes (I8)', async () => {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root, join(disk, 'volumes'));
    const running = await runGroup(site);
    site.deliver(
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    );
    await until('the volumes', () => running.status().applied === 3);
    const filler = fill(disk);
    for (let i = 0; i < 4; i += 1) site.deliver(stream.seal(write(1, i * 4096, i + 1)));
    await until('the reason', () => running.status().waiting?.code === 'volume-full');
    assert.match(running.status().waiting?.message ?? '', /volume b .*make room/);
    await until('receiving', () => running.status().received === 7);
    assert.equal(running.status().applied, 3);
    assert.equal(running.status().full, false, 'the source may go on sending');
    rmSync(filler, { recursive: true });
    await until('resuming', () => running.status().applied === 7 && running.status().waiting === undefined);
    await running.stop();
    assertVolumes(site.content(), stream.volumes);
  });
});
