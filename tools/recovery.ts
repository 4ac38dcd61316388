/**
 * `npm run recovery`: what must be true of recovery on the worst day, shown with real hosts. PostgreSQL under pgbench on two
 * replicated volumes: `--failovers 30` (the source dies at a random moment; back by rejoin and switchover, which are ten round
 * trips and more) and `--switchovers 10`; `--split 4`: hosts write on both sides behind a fork; `--large 100`: a sparse
 * volume of so many GiB with `--snapshots 200`; `--virus 256`: every file on a volume of so many MiB is overwritten, and gone back
 * to. As root, as it mounts. `--seed TEXT` for the moments, `--scale N` for pgbench,
 * `--keep` to leave the files.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { showDatabase } from './recovery/database.ts';
import { showLarge } from './recovery/large.ts';
import { showSplits } from './recovery/split.ts';
import { showVirus } from './recovery/virus.ts';
import { conclude, verdict } from './verdicts.ts';

const { values } = parseArgs({
  options: {
    failovers: { type: 'string', default: '0' },
    switchovers: { type: 'string', default: '0' },
    split: { type: 'string', default: '0' },
    virus: { type: 'string', default: '0' },
    large: { type: 'string', default: '0' },
    snapshots: { type: 'string', default: '200' },
    scale: { type: 'string', default: '5' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    keep: { type: 'boolean', default: false },
  },
});
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
process.stdout.write(`seed ${values.seed}\n`);

const { seed } = values;
const { signal } = interrupt;
const [failovers, switchovers, splits] = [values.failovers, values.switchovers, values.split].map(Number) as [
  number,
  number,
  number,
];
if (failovers + switchovers > 0) {
  const moments = { seed, loadMax: 6000, signal };
  const scale = Number(values.scale);
  await inFolder((folder) => showDatabase({ folder, ...moments, scale, failovers, switchovers }));
}
if (splits > 0) await inFolder((folder) => showSplits({ folder, seed, count: splits, signal }));
const size = Number(values.virus);
if (size > 0) await inFolder((folder) => showVirus({ folder, seed, size, signal }));
const [gibibytes, snapshots] = [Number(values.large), Number(values.snapshots)];
if (gibibytes > 0) await inFolder((folder) => showLarge({ folder, seed, gibibytes, snapshots, signal }));
conclude();

async function inFolder(show: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-recovery-'));
  try {
    await show(folder);
  } catch (error) {
    verdict(false, error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    if (values.keep) process.stdout.write(`left in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
  }
}
