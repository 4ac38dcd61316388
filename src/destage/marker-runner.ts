/** Runs the program of a custom marker (I9): at least once, told which attempt it is. */
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { CommandResult, Processes } from '../platform/processes.ts';
import type { PendingMarker } from './state-file.ts';

/** A program that the configuration gives to a custom marker's name. */
export interface MarkerProgram {
  readonly name: string;
  readonly run: readonly [string, ...string[]];
  /** Milliseconds. */
  readonly timeLimit: number;
  /** Whether the volumes stand still while it runs. */
  readonly wait: boolean;
}

export interface MarkerContext {
  readonly group: string;
  /** Volume name → path. */
  readonly volumes: ReadonlyMap<string, string>;
  readonly processes: Processes;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export function markerEnvironment(marker: PendingMarker, context: MarkerContext): Record<string, string> {
  const environment: Record<string, string> = {
    BLOCKFERRY_MARKER_ID: marker.id,
    BLOCKFERRY_ATTEMPT: String(marker.attempt),
    BLOCKFERRY_MARKER: marker.name,
    BLOCKFERRY_GROUP: context.group,
    BLOCKFERRY_LSN: String(marker.lsn),
    BLOCKFERRY_TIME: new Date(marker.time).toISOString(),
    BLOCKFERRY_VOLUMES: [...context.volumes.keys()].join(' '),
  };
  for (const [name, path] of context.volumes) {
    environment[`BLOCKFERRY_VOLUME_${variableName(name)}`] = path;
  }
  return environment;
}

/** A volume's, as a part of an environment variable's name. */
export function variableName(volume: string): string {
  return volume.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
}

/** `aborted`: this process ends it, which is no failure of the program. `failed`: why, in words. */
export type MarkerOutcome =
  { readonly kind: 'succeeded' | 'aborted' } | { readonly kind: 'failed'; readonly failure: string };

export async function runMarker(
  program: MarkerProgram,
  marker: PendingMarker,
  context: MarkerContext,
): Promise<MarkerOutcome> {
  const fields = { marker: marker.name, lsn: marker.lsn, attempt: marker.attempt };
  context.log.info(`marker program ${program.run[0]} starts`, fields);
  const result = await context.processes
    .run({
      argv: program.run,
      environment: markerEnvironment(marker, context),
      timeLimit: program.timeLimit,
      onLine: (line) => context.log.info(`marker ${marker.name}: ${line}`, fields),
      signal: context.signal,
    })
    // An argument list that is too long, for one: a program that fails, not an end of this one.
    .catch((error: unknown): CommandResult => ({ kind: 'not-started', reason: describeError(error) }));
  const outcome = outcomeOf(result, program);
  if (outcome.kind === 'succeeded') context.log.info(`marker program ${program.run[0]} succeeded`, fields);
  else if (outcome.kind === 'failed')
    context.log.warn(`marker program ${program.run[0]} ${outcome.failure}`, fields);
  else context.log.warn(`marker program ${program.run[0]} was ended: it is started again`, fields);
  return outcome;
}

export function outcomeOf(result: CommandResult, program: Pick<MarkerProgram, 'timeLimit'>): MarkerOutcome {
  const failed = (failure: string): MarkerOutcome => ({ kind: 'failed', failure });
  switch (result.kind) {
    case 'exited':
      return result.exitCode === 0
        ? { kind: 'succeeded' }
        : failed(`ended with exit code ${result.exitCode}`);
    case 'killed':
      return failed(`was killed by ${result.signal}`);
    case 'timed-out':
      return failed(`did not end within ${program.timeLimit} ms`);
    case 'aborted':
      return { kind: 'aborted' };
    case 'not-started':
      return failed(`could not be started: ${result.reason}`);
  }
}
