/**
 * The child process of a simulation: runs every `stride`-th seed from `from` on, and writes a line of JSON for each that
 * fails, from time to time how far it is, and at the end.
 */
import { parseArgs } from 'node:util';
import { crashPoint } from './crash-points.ts';
import { INTERVAL_SEED, makeScenario } from './scenario.ts';
import type { RunResult } from './result.ts';
import { turningPoint } from './roles/crash-points.ts';
import { makeRoleScenario } from './roles/scenario.ts';
import { run, runTurns } from './runner.ts';

export interface SeedsReport {
  readonly seeds: number;
  readonly failed?: { readonly seed: string; readonly code: string; readonly message: string };
  /** Of all runs so far: what they did. */
  readonly records: number;
  readonly snapshots: number;
  readonly markerRuns: number;
  readonly calls: number;
  /** Milliseconds of simulated time. */
  readonly time: number;
}

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    stride: { type: 'string', default: '1' },
    /** The numbers are not seeds but those of crash points. */
    'crash-points': { type: 'boolean', default: false },
    /** Of sources that replicate on an interval. */
    intervals: { type: 'boolean', default: false },
    /** Of sites that change their parts. */
    roles: { type: 'boolean', default: false },
    /** Ends with the first that fails. */
    first: { type: 'boolean', default: false },
  },
});

const REPORT_EVERY = 50;
const totals = { seeds: 0, records: 0, snapshots: 0, markerRuns: 0, calls: 0, time: 0 };
const tell = (failed?: SeedsReport['failed']): void => {
  const report: SeedsReport = failed === undefined ? totals : { ...totals, failed };
  process.stdout.write(`${JSON.stringify(report)}\n`);
};
const [from, stride] = [Number(values.from), Number(values.stride)];
const end = from + Number(values.seeds) * stride;
for (let number = from; number < end; number += stride) {
  const seed = `${values.intervals ? INTERVAL_SEED : ''}${number}`;
  const { violation, records, snapshots, markerRuns, calls, time } = await runOne(number, seed);
  totals.seeds += 1;
  totals.records += records;
  totals.snapshots += snapshots;
  totals.markerRuns += markerRuns;
  totals.calls += calls.source + calls.destination;
  totals.time += time;
  if (violation !== undefined) {
    tell({ seed, code: violation.code, message: violation.message });
    if (values.first) break;
  } else if (totals.seeds % REPORT_EVERY === 0) tell();
}
tell();

function runOne(number: number, seed: string): Promise<RunResult> {
  if (values.roles) return runTurns(values['crash-points'] ? turningPoint(number) : makeRoleScenario(seed));
  return run(values['crash-points'] ? crashPoint(number) : makeScenario(seed));
}
