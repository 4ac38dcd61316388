/**
 * `npm run chaos`: both daemons, a real vsftpd between them and four hosts writing over NBD, killed and frozen at random
 * moments. `--kills N`, `--freezes N`, `--seed TEXT` (the schedule and the load; real processes keep their own time),
 * `--json` for one line of JSON at the end, `--keep` to leave the files of a run that failed.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChaos } from '../test/real/chaos.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    freezes: { type: 'string', default: '50' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'blockferry-chaos-'));
say(`seed ${values.seed}, in ${folder}`);
let keep = values.keep;
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
try {
  const report = await runChaos({
    folder,
    seed: values.seed,
    kills: Number(values.kills),
    freezes: Number(values.freezes),
    say,
    signal: interrupt.signal,
  });
  keep &&= !report.ok;
  for (const line of report.wrong) say(`WRONG ${line}`);
  const total = (counts: Readonly<Record<string, number>>): string =>
    `${Object.values(counts).reduce((sum, count) => sum + count, 0)} (${Object.entries(counts)
      .map(([victim, count]) => `${victim} ${count}`)
      .join(', ')})`;
  const summary =
    `kills: ${total(report.kills)}; freezes: ${total(report.freezes)}; ${report.writes} writes, ${report.flushes} flushes, ` +
    `${report.reconnections} reconnections, ${report.markers} markers in ${report.seconds} s, seed ${report.seed}: ` +
    (report.ok ? 'nothing lost' : `${report.wrong.length} WRONG`);
  process.stdout.write(`${values.json ? JSON.stringify(report) : summary}\n`);
  process.exitCode = report.ok ? 0 : 1;
} finally {
  if (!keep) rmSync(folder, { recursive: true, force: true });
}
