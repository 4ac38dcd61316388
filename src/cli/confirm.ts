import { createInterface } from 'node:readline/promises';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/**
 * Asks at the terminal, having said there what is lost. @throws CommandError `NOT_CONFIRMED` for any answer but yes, and
 * without a terminal
 */
export async function confirm(loss: readonly string[]): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new CommandError(
      ExitCode.usage,
      'NOT_CONFIRMED',
      `nobody is there to confirm: ${loss.join(' ')}`,
      'say --yes if that is what you want',
    );
  }
  process.stderr.write(`${loss.join('\n')}\n`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question('Type yes to go on: ').finally(() => terminal.close());
  if (answer.trim().toLowerCase() === 'yes') return;
  throw new CommandError(ExitCode.failure, 'NOT_CONFIRMED', 'not confirmed: nothing was changed', '');
}
