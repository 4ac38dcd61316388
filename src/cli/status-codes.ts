import { WAIT_CODES } from '../platform/wait-codes.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';

const STYLE = { info: 'cyan', warning: 'yellow', error: 'red' } as const;

/** Every code that a wait or an alarm may have. No daemon is asked. */
export function statusCodes({ json }: { readonly json: boolean }): ExitCode {
  if (json) {
    printJson(WAIT_CODES);
    return ExitCode.ok;
  }
  print(
    Object.entries(WAIT_CODES).flatMap(([code, { severity, meaning, remedy }]) => [
      `${paint(STYLE[severity], `${code} (${severity})`)}: ${meaning}`,
      `  ${remedy}`,
    ]),
  );
  return ExitCode.ok;
}
