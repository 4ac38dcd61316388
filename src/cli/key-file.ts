import { readFileSync, statSync } from 'node:fs';
import { errorCode } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

const KEY_FILE_SIZE_MAX = 1024;

/** A group's key, in the forms that the configuration's `key-file` takes: hexadecimal or base64. @throws CommandError `KEY_FILE_INVALID` */
export function readKeyFile(path: string): Buffer {
  let text: string;
  try {
    if (statSync(path).size > KEY_FILE_SIZE_MAX) throw new RangeError('it is too long');
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : errorCode(error);
    throw invalid(`the key file ${path} cannot be read: ${reason}`);
  }
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, 'base64');
  throw invalid(`the key file ${path} does not hold 64 hexadecimal digits or 32 bytes in base64`);
}

function invalid(message: string): CommandError {
  return new CommandError(
    ExitCode.invalid,
    'KEY_FILE_INVALID',
    message,
    "give the group's key-file by --key-file FILE",
  );
}
