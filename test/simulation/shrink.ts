/** Makes a failing scenario short: steps are left out as long as the same thing goes wrong. */
import type { RunResult } from './result.ts';
import type { RoleStep } from './roles/scenario.ts';
import type { Settings } from './scenario.ts';
import type { Step } from './steps.ts';
import { FAIR } from './pair/server.ts';

/** A scenario of the one kind or the other. */
export interface Played<T extends Step | RoleStep> extends Settings {
  readonly steps: readonly T[];
}

export interface Shrunk<T extends Step | RoleStep> {
  readonly scenario: Played<T>;
  readonly runs: number;
}

export interface ShrinkOptions<T extends Step | RoleStep> {
  /** Of the violation. */
  readonly code: string;
  readonly run: (scenario: Played<T>) => Promise<RunResult>;
}

/** Runs at most: each takes tens of milliseconds, and one that stands still in the end up to a few seconds. */
const RUNS_MAX = 400;

export async function shrink<T extends Step | RoleStep>(
  scenario: Played<T>,
  { code, run }: ShrinkOptions<T>,
): Promise<Shrunk<T>> {
  let best = scenario;
  let runs = 0;
  const fails = async (candidate: Played<T>): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs += 1;
    const { violation } = await run(candidate);
    if (violation?.code !== code) return false;
    best = candidate;
    return true;
  };
  for (const plainer of plainerSettings(scenario)) await fails({ ...best, ...plainer });
  for (let piece = Math.ceil(best.steps.length / 2); piece >= 1 && runs < RUNS_MAX;) {
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

function plainerSettings<T extends Step | RoleStep>(scenario: Played<T>): Partial<Played<T>>[] {
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
function plainerSteps<T extends Step | RoleStep>(step: T): T[] {
  if (step.kind !== 'weather') return [];
  const { weather } = step;
  return (Object.keys(FAIR) as (keyof typeof FAIR)[])
    .filter((key) => weather[key] !== FAIR[key])
    .map((key) => ({ ...step, weather: { ...FAIR, [key]: weather[key] } }));
}
