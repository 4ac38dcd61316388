/** `blockferry check FILE`: every mistake with its place, cause and fix, or in short what the daemon would do. */
import { loadConfig } from '../config/load.ts';
import { comparePositions, describeProblem } from '../config/problems.ts';
import type { SecretSources } from '../config/secrets.ts';
import { lookAround } from '../config/surroundings.ts';
import { nodeFiles } from '../platform/node/files.ts';
import { describeConfig } from './check-summary.ts';
import { ExitCode } from './exit-codes.ts';

export interface CheckResult {
  /** For standard output when `exitCode` is 0, otherwise for standard error; ends with a line feed. */
  readonly text: string;
  readonly exitCode: ExitCode;
}

/** Looks at the machine too, and makes nothing on it. Never throws for what is in the file. */
export function checkConfiguration(path: string, sources: Partial<SecretSources> = {}): CheckResult {
  const loaded = loadConfig(path, sources);
  if ('problems' in loaded) return refused(loaded.problems.map(describeProblem));
  const { findings, volumes } = lookAround(loaded.config, { files: nodeFiles, now: Date.now() });
  if (findings.length > 0) {
    return refused(findings.map(loaded.place).toSorted(comparePositions).map(describeProblem));
  }
  return { text: `${path}: no mistakes\n\n${describeConfig(loaded.config, volumes)}`, exitCode: ExitCode.ok };
}

function refused(lines: readonly string[]): CheckResult {
  return { text: `${lines.join('\n')}\n`, exitCode: ExitCode.invalid };
}
