/**
 * `npm run power-loss`: both daemons with buffer and volumes on recorded devices, put back to random points as a power
 * failure leaves them, mounted and recovered, for each pair of file systems. `--points N` on each side of each pair,
 * `--time S` of load, `--seed TEXT`, `--json` for one line of JSON at the end.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPowerLoss, type PowerLossReport } from '../test/real/power/power-loss.ts';

const { values } = parseArgs({
  options: {
    points: { type: 'string', default: '100' },
    time: { type: 'string', default: '6' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    json: { type: 'boolean', default: false },
  },
});
const PAIRS = [
  { source: 'ext4', destination: 'xfs' },
  { source: 'xfs', destination: 'ext4' },
  { source: 'btrfs', destination: 'btrfs' },
] as const;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const reports: PowerLossReport[] = [];
for (const fileSystems of PAIRS) {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-power-loss-'));
  say(`source on ${fileSystems.source}, destination on ${fileSystems.destination}, seed ${values.seed}`);
  try {
    const time = Number(values.time) * 1000;
    const report = await runPowerLoss({
      ...{ folder, seed: values.seed, fileSystems, points: Number(values.points), time, say },
    });
    for (const line of report.wrong) say(`WRONG ${line}`);
    say(`${report.points} power failures in ${report.seconds} s`);
    reports.push(report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const ok = reports.every((report) => report.ok);
const points = reports.reduce((sum, report) => sum + report.points, 0);
const verdict = ok ? 'nothing flushed was lost' : 'WRONG';
const summary = `${points} power failures, seed ${values.seed}: ${verdict}`;
process.stdout.write(`${values.json ? JSON.stringify({ ok, points, reports }) : summary}\n`);
process.exitCode = ok ? 0 : 1;
