/**
 * `npm run bench`: what Blockferry is measured by, each figure side by side with what a user would run instead, in turns, on
 * the same disk. Tells medians, the least and the most, and the ratio. `--quick`: smaller and shorter, under five minutes;
 * `--only TEXT` (in a figure's name); `--rounds N`; `--place DIR` for images and buffers (40 GB; with `--quick` 8 GB); `--json` for one
 * line of JSON at the end. Exits with 1 when a figure is below what it must reach.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lineOf, verdictOf, type Figure, type Measured } from './bench/figure.ts';
import { changes } from './bench/figures/changes.ts';
import { destage } from './bench/figures/destage.ts';
import { growth } from './bench/figures/growth.ts';
import { hostPath } from './bench/figures/host-path.ts';
import { initialCopy } from './bench/figures/initial-copy.ts';
import { lag } from './bench/figures/lag.ts';
import { memory } from './bench/figures/memory.ts';
import { installMissing } from './bench/programs.ts';

const FIGURES: readonly Figure[] = [hostPath, initialCopy, changes, destage, lag, memory, growth];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rounds: { type: 'string' },
    place: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(line);

installMissing();
// Where the file server puts what it is sent.
process.env.TMPDIR = values.place;
const folder = mkdtempSync(join(values.place, 'blockferry-bench-'));
const setting = { quick: values.quick, rounds: Number(values.rounds ?? (values.quick ? 1 : 5)), folder };
const measured: Measured[] = [];
try {
  for (const { names, measure } of FIGURES) {
    const wanted = names.filter((name) => name.includes(values.only));
    if (wanted.length === 0) continue;
    try {
      for (const one of await measure(setting, wanted)) {
        measured.push(one);
        say(lineOf(one));
      }
    } catch (error) {
      // The others are measured all the same.
      say(`${wanted.join('; ')}: FAILED: ${String(error)}\n`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
say(`${hostname()}, ${new Date().toISOString()}, load ${loadavg()[0]?.toFixed(1) ?? ''} at the end\n`);
if (values.json) {
  const figures = measured.map(({ name, ratio, must, aim }) => ({ name, ratio, must, aim }));
  process.stdout.write(`${JSON.stringify({ figures })}\n`);
}
if (measured.length === 0 || measured.some((one) => verdictOf(one) === 'BELOW')) process.exitCode = 1;
