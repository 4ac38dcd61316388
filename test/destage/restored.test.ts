import { epoch } from '../../src/journal/ids.ts';
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATUS_FILE, STATUS_FOLDER } from '../../src/journal/names.ts';
import type { DestinationStatus } from '../../src/journal/status.ts';
import { decodeStatus } from '../../src/journal/status-codec.ts';
import { sequenceAt } from '../../src/destage/state-file.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { nodePlatform } from '../../src/platform/node/platform.ts';
import { readStatus, type StatusReading } from '../../src/transfer/link-status.ts';
import { FolderTransport } from '../../src/transfer/transports/folder.ts';
import { temporaryFolder } from '../support/folder.ts';
import { runGroup, until, type RunOptions } from './running-group.ts';
import { Site, Stream, write } from './stream.ts';

describe('a destination that was restored from a backup of its folder', () => {
  /** A source that has seen the destination's last word, a backup from before it, and a status of that time. */
  async function prepare(): Promise<{
    site: Site;
    read: () => Promise<StatusReading>;
    restore: () => Promise<void>;
    putBack: () => void;
  }> {
    const root = temporaryFolder();
    const stream = new Stream(join(root, 'source'));
    const site = new Site(root);
    const backup = join(root, 'backup');
    const statusPath = join(site.folder, STATUS_FOLDER, STATUS_FILE);
    site.deliver(
      stream.seal({ kind: 'attach', names: ['a', 'b'] }, { kind: 'init-begin' }, { kind: 'init-end' }),
    );
    await runUntil(site, 3);
    cpSync(site.folder, backup, { recursive: true });
    site.deliver(stream.seal(write(0, 0, 1)));
    // Each start reserves more numbers than are then used.
    for (let round = 0; round < 3; round += 1) await runUntil(site, 4);
    const transport = new FolderTransport({ path: site.folder });
    let known: DestinationStatus | undefined;
    const expected = {
      groupId: 'ab'.repeat(16),
      epoch: { number: epoch(1), id: 'cd'.repeat(16) },
      decode: (bytes: Buffer) => decodeStatus(bytes, undefined, 'g'),
      known: () => known,
    };
    const read = async (): Promise<StatusReading> => {
      const reading = await readStatus(transport, expected, new AbortController().signal);
      if (reading.kind === 'accepted') known = reading.status;
      return reading;
    };
    assert.equal((await read()).kind, 'accepted');
    const newest = readFileSync(statusPath);
    return {
      site,
      read,
      async restore() {
        rmSync(site.folder, { recursive: true });
        cpSync(backup, site.folder, { recursive: true });
        // Each start above took the numbers of 10 ms, and may have been faster than that; a restore is not.
        await until('the clock', () => sequenceAt(nodeClock.now()) > (known?.sequence ?? Infinity));
      },
      putBack: () => writeFileSync(statusPath, newest),
    };
  }

  async function runUntil(site: Site, applied: number, options?: RunOptions): Promise<void> {
    const running = await runGroup(site, options);
    await until('applying', () => running.status().applied === applied);
    await running.stop();
  }

  it('is believed by its source as soon as it speaks, and what it said before is refused as a replay (I12)', async () => {
    const { site, read, restore, putBack } = await prepare();
    await restore();
    const old = await read();
    assert.equal(old.kind === 'refused' && old.code, 'status-replayed', 'what the backup brought back');
    await runUntil(site, 3);
    const now = await read();
    assert.ok(now.kind === 'accepted' && now.status.received === 3, 'the truth, however unwelcome');
    putBack();
    const replay = await read();
    assert.equal(replay.kind === 'refused' && replay.code, 'status-replayed');
  });

  it('is not believed while its clock is behind, which the source says with what to do, and is once it is right', async () => {
    const { site, read, restore } = await prepare();
    await restore();
    const behind: Clock = { ...nodePlatform.clock, now: () => 1_000_000 };
    await runUntil(site, 3, { clock: behind });
    const refused = await read();
    assert.ok(refused.kind === 'refused' && /set that clock right and restart/.test(refused.message));
    await runUntil(site, 3);
    assert.equal((await read()).kind, 'accepted');
  });
});
