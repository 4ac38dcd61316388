import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import { startDaemon, type Daemon } from '../../../src/daemon/daemon.ts';
import { MemoryLog } from '../../api/fixture.ts';
import { temporaryFolder } from '../../support/folder.ts';

/** Milliseconds; it takes four seconds where nothing else runs. */
const PATIENCE = 140_000;

describe('a daemon with a program for alarms', () => {
  it('runs it for what it waits for, and again after a restart for what still stands', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'out');
    const file = join(folder, 'config.yaml');
    const script =
      'echo "$BLOCKFERRY_ALARM $BLOCKFERRY_CODE $BLOCKFERRY_GROUP $BLOCKFERRY_DESTINATION" >>"$0"';
    writeFileSync(
      file,
      `state: state
alarms: { run: [/bin/sh, -c, '${script}', ${out}] }
groups:
  oracle:
    role: source
    buffer: buffer
    quota: 1 GiB
    objective: 5 min
    when-full: refuse-writes
    volumes: { data: { path: data.raw, size: 1 MiB } }
    nbd: { socket: nbd.sock }
    destinations: { bern: { folder: not-mounted/oracle } }
`,
    );
    const loaded = loadConfig(file);
    assert.ok('config' in loaded);
    const told = (): string[] => (existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n') : []);
    for (const runs of [1, 2]) {
      const log = new MemoryLog();
      const daemon: Daemon = await startDaemon(loaded.config, log, () => log);
      try {
        for (const end = Date.now() + PATIENCE; told().length < runs;) {
          assert.ok(Date.now() < end, log.lines.join('\n'));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        assert.equal(told().at(-1), 'raise link-error oracle bern');
        const [group] = (await daemon.control.status()).groups;
        assert.ok(group?.role === 'source');
        const [wait] = group.streams[0]?.waits ?? [];
        assert.deepEqual([wait?.code, wait?.severity, wait?.endsAt], ['link-error', 'error', null]);
        const raised = log.lines.filter((line) => line.includes('alarm: '));
        assert.equal(raised.filter((line) => line.includes('"code":"link-error"')).length, 1);
      } finally {
        await daemon.stop();
      }
    }
  });
});
