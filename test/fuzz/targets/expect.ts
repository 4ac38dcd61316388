/** What targets hold parsers to. */
import assert from 'node:assert/strict';
import { OperatorError } from '../../../src/platform/errors.ts';

export const MIB = 1024 * 1024;

/**
 * The result, or undefined when it was refused: by an error of this class with one of these codes, and with words for the
 * operator. Any other error is a finding.
 */
export function resultOrRefusal<T>(
  parse: () => T,
  expected: readonly string[],
  kind: abstract new (...parts: never[]) => OperatorError = OperatorError,
): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof kind) || !expected.includes(error.code)) throw error;
    assert.ok(error.message !== '' && error.message.length < 2000, 'a message that can be read');
    return undefined;
  }
}
