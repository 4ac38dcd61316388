/** Runs scenarios one after the other, and takes a rejection that nobody handled for what it is: the end of a daemon. */
import { setImmediate as turn } from 'node:timers/promises';
import { Violation } from './oracle/violation.ts';
import { DEATH } from './platform/program.ts';
import { lettingGoOfSignals } from './platform/signals.ts';
import type { Scenario } from './scenario.ts';
import type { RunResult } from './result.ts';
import { runRoles } from './roles/simulation.ts';
import type { RoleScenario } from './roles/scenario.ts';
import { runScenario } from './simulation.ts';

let rejections: unknown[] | undefined;

/** What is left of a program that was killed in the middle of a call rejects, and nobody is there to hear it. */
function ofTheDead(error: unknown): boolean {
  return error instanceof Error && (error.message.includes(DEATH) || ofTheDead(error.cause));
}

export function run(scenario: Scenario): Promise<RunResult> {
  return ended(() => runScenario(scenario));
}

/** Two sites that change their parts. */
export function runTurns(scenario: RoleScenario): Promise<RunResult> {
  return ended(() => runRoles(scenario));
}

async function ended(begin: () => Promise<RunResult>): Promise<RunResult> {
  if (rejections === undefined) {
    const list: unknown[] = (rejections = []);
    process.on('unhandledRejection', (error) => list.push(error));
  }
  const result = await lettingGoOfSignals(async () => {
    const over = await begin();
    // Node tells of them between two turns of its own loop, of which a run takes none.
    await turn();
    return over;
  });
  const stray = rejections.splice(0).find((error) => !ofTheDead(error));
  if (stray === undefined || result.violation !== undefined) return result;
  return { ...result, violation: new Violation('unhandled', String((stray as Error).stack)) };
}
