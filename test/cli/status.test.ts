import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { statusReportSchema } from '../../src/api/contract/status-schema.ts';
import type { StatusReport } from '../../src/api/contract/status.ts';
import { WAIT_CODES } from '../../src/platform/wait-codes.ts';
import { cli, LAUNCHER, startSite, type CliResult, type Site } from '../api/fixture.ts';
import { REPORTS } from '../api/reports.ts';

/** With every optional field there: one that the schema lacks would be dropped before anybody saw it. */
type Whole<T> = T extends readonly (infer Element)[]
  ? readonly Whole<Element>[]
  : T extends object
    ? { readonly [Key in keyof T]-?: Whole<NonNullable<T[Key]>> }
    : T;
({}) as Whole<z.infer<typeof statusReportSchema>> satisfies Whole<StatusReport>;

const GOLDEN = join(import.meta.dirname, 'golden');

describe('blockferry status', () => {
  let site: Site;
  before(async () => {
    site = await startSite();
  });
  after(() => site.close());

  const status = (report: StatusReport, ...args: string[]): Promise<CliResult> => {
    site.daemon.report = report;
    return cli(['status', ...args, '--state', site.folder]);
  };

  for (const [situation, report] of Object.entries(REPORTS)) {
    // UPDATE_GOLDEN=1 rewrites what is expected; look at the difference before you keep it.
    it(`tells "${situation}" in these words`, async () => {
      const { exitCode, out, error } = await status(report);
      assert.deepEqual([exitCode, error], [0, '']);
      const golden = join(GOLDEN, `status-${situation}.txt`);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, out);
      assert.equal(out, readFileSync(golden, 'utf8'));
    });
  }

  it('says why a stream waits, since when, and when it is tried next', async () => {
    const { out } = await status(REPORTS['link-down']);
    assert.match(out, /^ {2}LAG +BYTES +TO .*\n {2}3 min 2 s +34\.0 MiB +dr-site +failed/m);
    assert.match(
      out,
      /refuses the connection.* Since 2026-11-21 02:10:58 \(for 3 min 2 s\); next try at 2026-11-21 02:14:12 \(in 12 s\); its end is not known\./,
    );
  });

  it('with --codes says of every code what it means and what to do, without a daemon', async () => {
    const { exitCode, out } = await cli(['status', '--codes', '--state', join(site.folder, 'nowhere')]);
    assert.equal(exitCode, 0);
    for (const [code, { severity, meaning, remedy }] of Object.entries(WAIT_CODES))
      assert.ok(out.includes(`${code} (${severity}): ${meaning}\n  ${remedy}\n`), code);
    const json = await cli(['status', '--codes', '--json']);
    assert.deepEqual(JSON.parse(json.out), WAIT_CODES);
  });

  it('answers --json with the report itself, of all groups or of one', async () => {
    const all = await status(REPORTS.healthy, '--json');
    assert.deepEqual(statusReportSchema.parse(JSON.parse(all.out)), REPORTS.healthy);
    assert.equal(all.out.trimEnd().split('\n').length, 1);
    const one = await status(REPORTS.healthy, 'mail', '--json');
    assert.deepEqual(
      statusReportSchema.parse(JSON.parse(one.out)).groups.map(({ name }) => name),
      ['mail'],
    );
  });

  it('exits 4 for a group that the daemon does not have, and names the way to find it', async () => {
    const { exitCode, out, error } = await status(REPORTS.healthy, 'nobody');
    assert.equal(exitCode, 4);
    assert.equal(out, '');
    assert.match(error, /this daemon has no group nobody\.\nWhat to do: "blockferry status" lists/);
  });

  it('with --watch appends a report every second where there is no terminal, until nobody reads it', async () => {
    site.daemon.report = REPORTS.healthy;
    const twice = (out: string): boolean => out.split('Blockferry 0.1.0').length > 2;
    const { exitCode, out, error } = await cli(['status', '--watch', '--state', site.folder], {
      until: twice,
    });
    assert.deepEqual([exitCode, error], [0, '']);
    assert.ok(twice(out));
    assert.ok(!out.includes('\u001b'));
  });

  it('with --watch goes on through a restart of the daemon', async () => {
    const other = await startSite();
    try {
      let closed: Promise<void> | undefined;
      const { exitCode, out } = await cli(['status', '--watch', '--state', other.folder], {
        until(out) {
          closed ??= other.api.close();
          return out.includes('no daemon runs');
        },
      });
      assert.equal(exitCode, 0);
      assert.match(out, /no daemon runs with this state folder/);
      await closed;
    } finally {
      await other.close();
    }
  });

  it('with --watch draws over the report before it on a terminal, in colour', () => {
    const { folder } = site;
    const command = `${process.execPath} ${LAUNCHER} status --watch --state ${folder}`;
    // script (bsdutils, on every Debian) gives it a terminal; timeout sends the Ctrl-C.
    const child = spawn('timeout', ['-s', 'INT', '3', 'script', '-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk));
    return new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', () => {
        const screens = out.split('\u001b[H\u001b[2J');
        assert.ok(screens.length > 2, JSON.stringify(out));
        assert.ok(screens[1]?.startsWith('Blockferry 0.1.0'));
        assert.ok(screens[1]?.includes('\u001b[1m'));
        resolve();
      });
    });
  });

  it('colours nothing under NO_COLOR, and something when colour is forced', async () => {
    const args = ['status', '--state', site.folder];
    const forced = await cli(args, { environment: { NO_COLOR: '', FORCE_COLOR: '1' } });
    assert.ok(forced.out.includes('\u001b[1m'));
    const { out } = await cli(args, { environment: { NO_COLOR: '1' } });
    assert.ok(!out.includes('\u001b'));
  });
});
