/** Runs the program of a custom marker (I9): at least once, told which attempt it is. */
import { describeError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { CommandResult, Processes } from '../platform/processes.ts';
import type { PendingMarker } from './state-file.ts';

/** Times that a program is tried before replication goes on without it. */
export const ATTEMPTS_MAX = 3;

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
    environment[`BLOCKFERRY_VOLUME_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`] = path;
  }
  return environment;
}

/** Undefined when it succeeded, otherwise why not, in words. */
export async function runMarker(
  program: MarkerProgram,
  marker: PendingMarker,
  context: MarkerContext,
): Promise<string | undefined> {
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
  const failure = failureOf(result, program);
  if (failure === undefined) context.log.info(`marker program ${program.run[0]} succeeded`, fields);
  else context.log.warn(`marker program ${program.run[0]} ${failure}`, fields);
  return failure;
}

function failureOf(result: CommandResult, program: MarkerProgram): string | undefined {
  switch (result.kind) {
    case 'exited':
      return result.exitCode === 0 ? undefined : `ended with exit code ${result.exitCode}`;
    case 'killed':
      return `was killed by ${result.signal}`;
    case 'timed-out':
      return `did not end within ${program.timeLimit} ms`;
    case 'aborted':
      return 'was ended because blockferry stops';
    case 'not-started':
      return `could not be started: ${result.reason}`;
  }
}
