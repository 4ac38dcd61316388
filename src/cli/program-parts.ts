/** What commands' definitions share. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../config/units.ts';
import { NAME_PATTERN, NAME_RULE } from '../platform/name-rule.ts';
import { defaultConfigFile, defaultStateFolder } from './paths.ts';

export type Finish = (exitCode: number) => void;

const machine = { platform: process.platform, environment: process.env };

/** The daemon leaves its address there, in api.json. */
export function stateOption(): Option {
  return new Option('--state <dir>', "the running daemon's state folder")
    .env('BLOCKFERRY_STATE')
    .default(defaultStateFolder(machine));
}

export function configOption(description: string): Option {
  return new Option('--config <file>', description)
    .env('BLOCKFERRY_CONFIG')
    .default(defaultConfigFile(machine));
}

/** Of a command that changes what is served or kept: where, whether it asks, and how it answers. */
export function addConsent(command: Command): Command {
  return command
    .addOption(stateOption())
    .option('--yes', 'do not ask', false)
    .option('--dry-run', 'say what would be done and what is lost, and change nothing', false)
    .option('--json', 'as one line of JSON', false);
}

export function name(value: string): string {
  if (NAME_PATTERN.test(value)) return value;
  throw new InvalidArgumentError(`A name has ${NAME_RULE}.`);
}

/** Bytes, as a configuration has them. */
export function size(value: string): number {
  const parsed = parseSize(value);
  if ('value' in parsed) return parsed.value;
  throw new InvalidArgumentError(`It ${parsed.message}: ${parsed.fix}.`);
}

export const example = (line: string): string => `\nExample:\n  ${line}`;
