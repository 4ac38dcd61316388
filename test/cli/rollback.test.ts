import assert from 'node:assert/strict';
import { cli, startSite, type CliResult, type Site } from '../api/fixture.ts';

describe('blockferry rollback, and failover to a point', () => {
  let site: Site;
  beforeEach(async () => {
    site = await startSite('tcp');
  });
  afterEach(() => site.close());

  const run = (...args: string[]): Promise<CliResult> => cli([...args, '--state', site.folder]);

  it('says what is lost and where it is kept, and does it on somebody’s word alone (I10)', async () => {
    const trial = await run('rollback', 'oracle', '--at', 'noon', '--dry-run');
    assert.equal(trial.exitCode, 0);
    for (const told of [
      /become what they were at noon, record 5/,
      /up to record 9/,
      /of writes \(at most 3(\.0)? MiB of the volumes, as they are now\)/,
      /before-rollback-x/,
    ])
      assert.match(trial.out, told);
    assert.match(trial.out, /Nothing was changed/);
    const unasked = await run('rollback', 'oracle', '--at', 'noon');
    assert.notEqual(unasked.exitCode, 0);
    assert.match(unasked.error, /nobody is there to confirm: .*1 connections of hosts are closed/);
    const done = await run('rollback', 'oracle', '--at', 'noon', '--yes');
    assert.match(done.out, /"blockferry rollback oracle --at before-rollback-x" takes this back/);
    assert.deepEqual(
      site.daemon.turned.map(({ verb, dryRun }) => [verb, dryRun]),
      [
        ['rollback', true],
        ['rollback', true],
        ['rollback', false],
      ],
    );
  });

  it('says of a side that lost the group’s folder what comes over and what is kept, as of one that was deposed (I10)', async () => {
    const anew = await run('rejoin', 'mail', '--dry-run');
    for (const told of [/folder of the group is new/, /of the 8(\.0)? MiB of its volumes what differs/])
      assert.match(anew.out, told);
    assert.match(anew.out, /at most 64(\.0)? KiB \(a 64(\.0)? KiB\), is kept as snapshot diverged-1-16/);
    const deposed = await run('rejoin', 'oracle', '--dry-run');
    assert.match(deposed.out, /Hosts wrote 9 times here since.*\n.*kept as snapshot diverged-1-16/);
  });

  it('takes a time, an LSN or a name, and no time that there is not', async () => {
    assert.equal((await run('failover', 'oracle', '--at', '2026-11-20T14:03:06Z', '--yes')).exitCode, 0);
    assert.equal((await run('rollback', 'oracle', '--at', '48210', '--yes')).exitCode, 0);
    const wrong = await run('failover', 'oracle', '--at', '2026-13-40T14:03Z', '--yes');
    assert.notEqual(wrong.exitCode, 0);
    assert.match(wrong.error, /there is no time/);
    assert.deepEqual(
      site.daemon.turned.map(({ verb }) => verb),
      ['failover', 'rollback'],
    );
  });
});
