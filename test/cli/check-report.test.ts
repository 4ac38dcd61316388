import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verificationReportSchema, type VerificationReport } from '../../src/api/contract/verification.ts';
import { signatureOf } from '../../src/daemon/comparing/verify-report.ts';
import { cli, LAUNCHER, PretendedDaemon, type CliResult } from '../api/fixture.ts';
import { temporaryFolder } from '../support/folder.ts';

const KEY = Buffer.alloc(32, 3);
const REPORT = verificationReportSchema.parse(new PretendedDaemon().verificationReport);

const signed = (report: VerificationReport): object => ({ ...report, signature: signatureOf(report, KEY) });

describe('blockferry verify --check', () => {
  let folder: string;
  let keyFile: string;
  let config: string;
  before(() => {
    folder = temporaryFolder();
    keyFile = write('oracle.key', KEY.toString('hex'));
    config = write(
      'blockferry.yaml',
      `{ state: ., groups: { oracle: { role: destination, buffer: buffer, quota: 1 GiB, key-file: oracle.key, volumes: { data: data.raw } } } }`,
    );
  });

  function write(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  let written = 0;

  /** With the key in a file unless others are given. */
  function check(report: object | string, ...args: string[]): Promise<CliResult> {
    written += 1;
    const text = typeof report === 'string' ? report : JSON.stringify(report);
    const options = args.length > 0 ? args : ['--key-file', keyFile];
    return cli(['verify', '--check', write(`${written}.json`, text), ...options]);
  }

  it('exits 0 for what its source signed, by the key of its group in the configuration, and says what it says', async () => {
    const path = write('report.json', `${JSON.stringify(signed(REPORT))}\n`);
    const { exitCode, out, error } = await cli(['verify', 'oracle', '--check', path, '--config', config]);
    assert.deepEqual([exitCode, error], [0, '']);
    assert.match(
      out,
      /^The report is whole and unchanged.*\nComparison 1790000000000 of group oracle \(abab.*, epoch 1\), reported by zurich, ended at 2026-11-21 01:46:04.*\nGroup oracle, 1\.00? GiB of 1\.00? GiB in data/,
    );
    assert.match(out, /Every replica was what its source was/);
  });

  it('reads it from standard input, however it is laid out, and tells programs whether it is proved', () => {
    const reversed = Object.fromEntries(Object.entries(signed(REPORT)).toReversed());
    const { status, stdout } = spawnSync(
      process.execPath,
      [LAUNCHER, 'verify', '--check', '-', '--key-file', keyFile, '--json'],
      { input: JSON.stringify(reversed, undefined, 2), encoding: 'utf8' },
    );
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), { proved: true, report: REPORT });
  });

  it('refuses what was changed, signed with another key, added, cut or made by something else', async () => {
    const outcomes = REPORT.outcomes.map((outcome) => ({ ...outcome, comparedBytes: 1 }));
    const other = write('other.key', Buffer.alloc(32, 4).toString('base64'));
    const whole = JSON.stringify(signed(REPORT));
    const refusals: readonly (readonly [Promise<CliResult>, RegExp])[] = [
      [check({ ...signed(REPORT), outcomes }), /is not what was signed/],
      [check(signed(REPORT), '--key-file', other), /is not what was signed/],
      [check({ ...signed(REPORT), note: 'as seen by the auditor' }), /holds what no report/],
      [check(whole.slice(0, -9)), /is no JSON/],
      [check('{}'), /is none of a comparison/],
      [cli(['verify', '--check', folder, '--key-file', keyFile]), /cannot be read/],
    ];
    for (const [answer, reason] of refusals) {
      const { exitCode, out, error } = await answer;
      assert.deepEqual([exitCode, out], [5, '']);
      assert.match(error, reason);
      assert.match(error, /What to do: /);
    }
  });

  it('exits 7 for a report that is proved and says that something differed', async () => {
    const outcomes = REPORT.outcomes.map((outcome) => ({ ...outcome, differed: 2 }));
    const { exitCode, out } = await check(signed({ ...REPORT, identical: false, outcomes }));
    assert.equal(exitCode, 7);
    assert.match(out, /whole and unchanged.*Not proved: what differed is sent again/s);
  });

  it('says of a report without a signature that nothing proves it', async () => {
    const { exitCode, out } = await check(REPORT);
    assert.equal(exitCode, 5);
    assert.match(out, /^Nothing proves the report/);
  });

  it('does not take a report for another group’s, nor check it without a key', async () => {
    const elsewhere = await check(signed(REPORT), 'erp', '--key-file', keyFile);
    assert.deepEqual([elsewhere.exitCode, elsewhere.out], [5, '']);
    assert.match(elsewhere.error, /is of group oracle, not of erp/);
    const unknown = signed({ ...REPORT, group: { ...REPORT.group, name: 'erp' } });
    const keyless = await check(unknown, '--config', config);
    assert.deepEqual([keyless.exitCode, keyless.out], [5, '']);
    assert.match(keyless.error, /without the key of group erp: .*blockferry\.yaml has no such group/);
    const absent = await check(unknown, '--config', join(folder, 'absent.yaml'));
    assert.match(absent.error, /without the key of group erp: .*absent\.yaml/);
  });

  it('is not mixed with a comparison, which needs a group', async () => {
    assert.equal((await check(REPORT, '--full')).exitCode, 2);
    const nobody = await cli(['verify', '--wait']);
    assert.equal(nobody.exitCode, 2);
    assert.match(nobody.error, /missing required argument 'group'/);
  });
});
