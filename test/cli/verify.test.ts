import assert from 'node:assert/strict';
import { verificationReportSchema } from '../../src/api/contract/verification.ts';
import { signatureOf } from '../../src/daemon/comparing/verify-report.ts';
import { cli, startSite, type CliResult, type Site } from '../api/fixture.ts';

describe('blockferry verify', () => {
  let site: Site;
  beforeEach(async () => {
    site = await startSite('tcp');
  });
  afterEach(() => site.close());

  const run = (...args: string[]): Promise<CliResult> => cli(['verify', ...args, '--state', site.folder]);

  it('begins, and says where to look', async () => {
    const { exitCode, out } = await run('oracle');
    assert.equal(exitCode, 0);
    assert.match(out, /^Comparison 1790000000000 of group oracle has begun/);
    assert.deepEqual(site.daemon.verifications, [{ group: 'oracle', full: false }]);
  });

  it('waits until everything is compared, says what came of it, and exits 7 unless all was the same', async () => {
    const good = await run('oracle', '--full', '--wait');
    assert.equal(good.exitCode, 0);
    assert.match(
      good.out,
      /bern: 1\.00? GiB compared, nothing differs\nEvery replica was what its source was/,
    );
    assert.deepEqual(site.daemon.verifications, [{ group: 'oracle', full: true }]);
    const report = site.daemon.verificationReport;
    const outcomes = report.outcomes.map((outcome) => ({ ...outcome, differed: 2, fromMedium: false }));
    site.daemon.verificationReport = { ...report, outcomes, identical: false };
    const bad = await run('oracle', '--wait');
    assert.equal(bad.exitCode, 7);
    assert.match(bad.out, /2 ranges differed\nNot proved: what differed is sent again/);
  });

  it('prints the report for programs in the order in which it is signed', async () => {
    const key = Buffer.alloc(32, 3);
    const report = verificationReportSchema.parse(site.daemon.verificationReport);
    site.daemon.verificationReport = { ...report, signature: signatureOf(report, key) };
    const { out } = await run('oracle', '--wait', '--json');
    const { signature, ...signed } = verificationReportSchema.parse(JSON.parse(out));
    assert.equal(signature, signatureOf(signed, key));
    assert.notEqual(signature, signatureOf({ ...signed, identical: false }, key));
  });

  it('says whose disk changed, and names what is lost before it accepts what a source holds', async () => {
    const range = { volume: 'data', offset: 4096, length: 512 };
    const change = { ...range, knownLsn: 7, lsn: 9 };
    const report = site.daemon.verificationReport;
    const outcomes = report.outcomes.map((outcome) => ({
      ...outcome,
      differed: 1,
      ranges: [{ ...range, side: 'source' as const }],
    }));
    site.daemon.verificationReport = { ...report, outcomes, identical: false, sourceChanges: [change] };
    const found = await run('oracle', '--wait');
    assert.match(found.out, /512 B at byte 4096 of data: the source’s disk changed; it is not sent/);
    assert.match(found.out, /512 B at byte 4096 of data, changed between LSN 7 and 9\nNot proved: put right/);
    const groups = site.daemon.report.groups.map((group) =>
      group.role === 'source'
        ? { ...group, verification: { totalBytes: 8192, sourceChanges: [change], destinations: [] } }
        : group,
    );
    site.daemon.report = { ...site.daemon.report, groups };
    const asked = await run('oracle', '--accept');
    assert.equal(asked.exitCode, 2);
    assert.match(asked.error, /is overwritten with what its source holds:.*512 B at byte 4096 of data/s);
    const accepted = await run('oracle', '--accept', '--yes', '--json');
    assert.deepEqual(JSON.parse(accepted.out), { accepted: [change] });
  });

  it('exits 4 for a group that is not there', async () => {
    assert.equal((await run('nowhere')).exitCode, 4);
  });
});
