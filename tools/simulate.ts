/**
 * `npm run simulate -- --seeds N --from S`: a source and a destination under every kind of trouble, simulated, a run for
 * each seed. `--jobs J` processes (as many as there are cores); `--seed X`: that one alone, with all that happened;
 * `--shrink X`: that one, made as short as it goes. `--intervals`: of sources that replicate on an interval; `--roles`: of sites
 * that fail over, switch over, rejoin and go back, and with `--crash-points` of short ones in which a side dies at each call, for
 * which X and S are numbers from 0 on. Exits with 1 when anything failed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeeds } from '../test/simulation/children.ts';
import type { RunResult } from '../test/simulation/result.ts';
import { TURNING_POINTS, turningPoint } from '../test/simulation/roles/crash-points.ts';
import { makeRoleScenario, type RoleStep } from '../test/simulation/roles/scenario.ts';
import { run, runTurns } from '../test/simulation/runner.ts';
import { makeScenario } from '../test/simulation/scenario.ts';
import { shrink, type Played } from '../test/simulation/shrink.ts';
import type { Step } from '../test/simulation/steps.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    intervals: { type: 'boolean', default: false },
    roles: { type: 'boolean', default: false },
    'crash-points': { type: 'boolean', default: false },
    seed: { type: 'string' },
    shrink: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Kind<T extends Step | RoleStep> {
  readonly make: (seed: string) => Played<T>;
  readonly run: (scenario: Played<T>) => Promise<RunResult>;
}

const { roles, 'crash-points': crashPoints } = values;
if (crashPoints && !roles)
  throw new Error('--crash-points is for --roles: others die at each call in the tests');
if (crashPoints) await main({ make: (number) => turningPoint(Number(number)), run: runTurns });
else if (roles) await main({ make: makeRoleScenario, run: runTurns });
else await main({ make: makeScenario, run });

async function main<T extends Step | RoleStep>(kind: Kind<T>): Promise<void> {
  if (values.seed !== undefined) await tell(kind.make(values.seed), kind);
  else if (values.shrink !== undefined) await tellShort(values.shrink, kind);
  else await runMany(kind);
}

async function runMany<T extends Step | RoleStep>(kind: Kind<T>): Promise<void> {
  const options = {
    seeds: Number(values.seeds ?? (crashPoints ? TURNING_POINTS : 200)),
    from: Number(values.from ?? (crashPoints ? 0 : 1)),
    jobs: Number(values.jobs),
    intervals: values.intervals,
    roles,
    crashPoints,
  };
  say(`seeds ${options.from} to ${options.from + options.seeds - 1} in ${options.jobs} processes`);
  const result = await runSeeds({
    ...options,
    onReport: ({ failed }) => {
      if (failed !== undefined) say(`FAILED seed ${failed.seed}: ${failed.message}`);
    },
  });
  const { seeds, seconds, failed } = result;
  const speed = (seeds / seconds).toFixed(1);
  say(`${seeds} seeds, ${failed.length} failed, in ${seconds.toFixed(0)} s: ${speed} seeds a second`);
  const hours = (result.time / 3_600_000).toFixed(1);
  say(
    `${result.records} records, ${result.snapshots} snapshots, ${result.markerRuns} marker programs, ${result.calls} platform calls, ${hours} hours of simulated time`,
  );
  if (failed[0] !== undefined) await tellShort(failed[0].seed, kind);
}

/** Everything that happened in one run. */
async function tell<T extends Step | RoleStep>(scenario: Played<T>, kind: Kind<T>): Promise<void> {
  const { violation, log } = await kind.run(scenario);
  const { steps, ...settings } = scenario;
  say(JSON.stringify(settings));
  say(`${steps.length} steps`);
  for (const line of log) say(line);
  say(violation === undefined ? 'nothing wrong' : `FAILED seed ${scenario.seed}: ${violation.message}`);
  if (violation !== undefined) process.exitCode = 1;
}

async function tellShort<T extends Step | RoleStep>(seed: string, kind: Kind<T>): Promise<void> {
  const scenario = kind.make(seed);
  const { violation } = await kind.run(scenario);
  if (violation === undefined) {
    say(`seed ${seed}: nothing wrong`);
    return;
  }
  const { scenario: short, runs } = await shrink(scenario, { code: violation.code, run: kind.run });
  say(
    `seed ${seed}, made short in ${runs} runs: ${scenario.steps.length} steps, of which ${short.steps.length} are left`,
  );
  await tell(short, kind);
}
