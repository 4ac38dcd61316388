/**
 * `npm run simulate -- --seeds N --from S`: a source and a destination under every kind of trouble, simulated, a run for
 * each seed. `--jobs J` processes (as many as there are cores); `--seed X`: that one alone, with all that happened;
 * `--shrink X`: that one, made as short as it goes. `--intervals`: of sources that replicate on an interval; `--roles`: of sites
 * that fail over, switch over and rejoin. Exits with 1 when anything failed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeeds } from '../test/simulation/children.ts';
import type { RunResult } from '../test/simulation/result.ts';
import { makeRoleScenario, type RoleScenario } from '../test/simulation/roles/scenario.ts';
import { run, runTurns } from '../test/simulation/runner.ts';
import { makeScenario, type Scenario } from '../test/simulation/scenario.ts';
import { shrink } from '../test/simulation/shrink.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    intervals: { type: 'boolean', default: false },
    roles: { type: 'boolean', default: false },
    seed: { type: 'string' },
    shrink: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (values.seed !== undefined) await tellSeed(values.seed);
else if (values.shrink !== undefined) await tellShort(values.shrink);
else await runMany();

async function runMany(): Promise<void> {
  const options = {
    seeds: Number(values.seeds),
    from: Number(values.from),
    jobs: Number(values.jobs),
    intervals: values.intervals,
    roles: values.roles,
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
  if (failed[0] === undefined) return;
  if (values.roles) process.exitCode = 1;
  else await tellShort(failed[0].seed);
}

async function tellSeed(seed: string): Promise<void> {
  if (!values.roles) {
    await tell(makeScenario(seed));
    return;
  }
  const scenario = makeRoleScenario(seed);
  tellRun(scenario, await runTurns(scenario));
}

/** Everything that happened in one run. */
async function tell(scenario: Scenario): Promise<void> {
  tellRun(scenario, await run(scenario));
}

function tellRun(scenario: Scenario | RoleScenario, { violation, log }: RunResult): void {
  const { steps, ...settings } = scenario;
  say(JSON.stringify(settings));
  say(`${steps.length} steps`);
  for (const line of log) say(line);
  say(violation === undefined ? 'nothing wrong' : `FAILED seed ${scenario.seed}: ${violation.message}`);
  if (violation !== undefined) process.exitCode = 1;
}

async function tellShort(seed: string): Promise<void> {
  const scenario = makeScenario(seed);
  const { violation } = await run(scenario);
  if (violation === undefined) {
    say(`seed ${seed}: nothing wrong`);
    return;
  }
  const { scenario: short, runs } = await shrink(scenario, violation.code);
  say(
    `seed ${seed}, made short in ${runs} runs: ${scenario.steps.length} steps, of which ${short.steps.length} are left`,
  );
  await tell(short);
}
