import { OperatorError } from '../platform/errors.ts';
import type { ExitCode } from './exit-codes.ts';

/** An error that ends a command with an exit code of its own. */
export class CommandError extends OperatorError {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, code: string, message: string, remedy: string) {
    super(code, message, { remedy });
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
