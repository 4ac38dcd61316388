import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openApi } from '../../src/daemon/open-api.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { MemoryLog, PretendedDaemon } from '../api/fixture.ts';
import { mountFileSystem, unmount } from '../recovery/loop-devices.ts';
import { connectDaemon } from '../support/daemon-client.ts';
import { temporaryFolder } from '../support/folder.ts';
import { fill } from '../support/full-disk.ts';

const hurried: Clock = { ...nodeClock, after: (delay, then) => nodeClock.after(delay / 50, then) };

describe('the API of a daemon whose state folder is on a full disk', () => {
  let disk = '';

  beforeEach(() => {
    disk = mountFileSystem(temporaryFolder(), 'ext4', 16);
  });

  afterEach(() => unmount(disk));

  it('is no reason not to start: it says why it is not open, and opens by itself when there is room (I8)', async () => {
    const [control, log] = [new PretendedDaemon(), new MemoryLog()];
    const address = { kind: 'socket', path: join(disk, 'api.sock') } as const;
    const filler = fill(disk);
    const api = await openApi({ address, stateFolder: disk, control, log }, hurried);
    assert.ok(!existsSync(join(disk, 'api.json')));
    assert.match(log.lines.join('\n'), /no room left in .*: the API is opened as soon as there is/);
    rmSync(filler, { recursive: true });
    for (const end = Date.now() + 200_000; !existsSync(join(disk, 'api.json'));) {
      assert.ok(Date.now() < end, log.lines.join('\n'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(await connectDaemon(disk, 'GET', '/status'));
    await api.close();
    assert.ok(!existsSync(join(disk, 'api.json')));
  });

  it('can be closed while it waits for room', async () => {
    const address = { kind: 'socket', path: join(disk, 'api.sock') } as const;
    fill(disk);
    const log = new MemoryLog();
    const api = await openApi({ address, stateFolder: disk, control: new PretendedDaemon(), log }, hurried);
    await api.close();
    assert.equal(log.lines.length, 1);
  });
});
