/** Makes a failing scenario short: steps are left out as long as the same thing goes wrong. */
import { run } from './runner.ts';
import type { Scenario } from './scenario.ts';
import type { Step } from './steps.ts';
import { FAIR } from './pair/server.ts';

export interface Shrunk {
  readonly scenario: Scenario;
  readonly runs: number;
}

/** `code`: of the violation. `runsMax`: a run takes tens of milliseconds. */
export async function shrink(scenario: Scenario, code: string, runsMax = 400): Promise<Shrunk> {
  let best = scenario;
  let runs = 0;
  const fails = async (candidate: Scenario): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs += 1;
    const { violation } = await run(candidate);
    if (violation?.code !== code) return false;
    best = candidate;
    return true;
  };
  for (const plainer of plainerSettings(scenario)) await fails({ ...best, ...plainer });
  for (let piece = Math.ceil(best.steps.length / 2); piece >= 1 && runs < runsMax;) {
    let shorter = false;
    for (let at = 0; at < best.steps.length;) {
      const steps = [...best.steps.slice(0, at), ...best.steps.slice(at + piece)];
      if (await fails({ ...best, steps })) shorter = true;
      else at += piece;
    }
    if (piece > 1) piece = Math.ceil(piece / 2);
    else if (!shorter) break;
  }
  for (let at = 0; at < best.steps.length; at += 1) {
    for (const step of plainerSteps(best.steps[at]!))
      await fails({ ...best, steps: best.steps.with(at, step) });
  }
  return { scenario: best, runs };
}

function plainerSettings(scenario: Scenario): Partial<Scenario>[] {
  return [
    { keyed: false, steps: scenario.steps.filter(({ kind }) => kind !== 'attack') },
    { compression: 0 },
    { dropOverwritten: false },
    { parallel: 1 },
    { clones: false },
    { own: undefined },
    { programTrouble: 0 },
    { connections: scenario.volumes.length },
  ];
}

/** One kind of bad weather at a time is easier to read. */
function plainerSteps(step: Step): Step[] {
  if (step.kind !== 'weather') return [];
  return (Object.keys(FAIR) as (keyof typeof FAIR)[])
    .filter((key) => step.weather[key] !== FAIR[key])
    .map((key) => ({ ...step, weather: { ...FAIR, [key]: step.weather[key] } }));
}
