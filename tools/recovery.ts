/**
 * `npm run recovery`: what must be true of recovery on the worst day, shown with real hosts. PostgreSQL under pgbench on two
 * replicated volumes: `--failovers 30` (the source dies at a random moment; back by rejoin and switchover, which are ten round
 * trips and more) and `--switchovers 10`. As root, as it mounts. `--seed TEXT` for the moments, `--scale N` for pgbench,
 * `--keep` to leave the files of a run that failed.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { showDatabase } from './recovery/database.ts';
import { conclude, verdict } from './verdicts.ts';

const { values } = parseArgs({
  options: {
    failovers: { type: 'string', default: '0' },
    switchovers: { type: 'string', default: '0' },
    scale: { type: 'string', default: '5' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    keep: { type: 'boolean', default: false },
  },
});
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
process.stdout.write(`seed ${values.seed}\n`);

await inFolder((folder) =>
  showDatabase({
    folder,
    seed: values.seed,
    scale: Number(values.scale),
    loadMax: 6000,
    signal: interrupt.signal,
    failovers: Number(values.failovers),
    switchovers: Number(values.switchovers),
  }),
);
conclude();

async function inFolder(show: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-recovery-'));
  let failed = false;
  try {
    await show(folder);
  } catch (error) {
    failed = true;
    verdict(false, error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    if (failed && values.keep) process.stdout.write(`left in ${folder}\n`);
    else rmSync(folder, { recursive: true, force: true });
  }
}
