/**
 * What an SFTP server answered, or SSH did, as a transport says it. Status codes are those of
 * draft-ietf-secsh-filexfer-02 section 7 (the version 3 that servers speak) and, as some send them all the same, of
 * draft-ietf-secsh-filexfer-13 section 9.1.
 */
import { errorCode } from '../../platform/errors.ts';
import type { TransportError, TransportErrorCode } from '../transport.ts';
import {
  answerCode,
  COMMON_REMEDIES,
  serverError,
  type ErrorRules,
  type ServerErrorContext,
} from './server-errors.ts';

export const END_OF_FILE = 1;
export const NO_SUCH_FILE = 2;
/** All that OpenSSH says of a full disk, a read-only one, a folder in the way and much else. */
export const FAILURE = 4;

const REMEDIES: ErrorRules['remedies'] = {
  ...COMMON_REMEDIES,
  Exists: 'move what lies there away at the server',
  Auth: 'see that user and key or password are right and that the server lets this user write and rename there',
  Timeout: 'see that the server is up and that no firewall drops its port; it is tried again',
  ConnectionLost: 'see that the server is up and can be reached; it is tried again',
  Protocol: 'see that this is an SSH server that offers SFTP, and what its log says',
};

const STATUS: ReadonlyMap<number, TransportErrorCode> = new Map([
  [NO_SUCH_FILE, 'NotFound'],
  [3, 'Auth'], // permission denied
  [6, 'ConnectionLost'], // no connection
  [7, 'ConnectionLost'], // connection lost
  [10, 'NotFound'], // no such path
  [11, 'Exists'],
  [12, 'Auth'], // write protected
  [13, 'NotFound'], // no medium
  [14, 'NoSpace'],
  [15, 'NoSpace'], // quota
  [17, 'Busy'], // locked
  [24, 'Exists'], // is a directory
]);

/** A {@link TransportError} stays as it is. */
export function sftpError(error: unknown, context: ServerErrorContext): TransportError {
  return serverError(error, context, { classify, remedies: REMEDIES });
}

function classify(error: unknown, text: string): TransportErrorCode {
  const status = answerCode(error);
  if (status !== undefined) return STATUS.get(status) ?? 'Protocol';
  const all = `${errorCode(error)} ${text}`;
  if (/authentication methods failed/i.test(text)) return 'Auth';
  if (/timed? ?out/i.test(all)) return 'Timeout';
  // A server at its limit of connections (sshd: MaxStartups) hangs up before it says who it is.
  return /E(?:CONN|PIPE|NET|HOST|NOTFOUND|AI_AGAIN)|closed|lost|not connected|no response|unexpected (?:end|close)|reset|before handshake/i.test(
    all,
  )
    ? 'ConnectionLost'
    : 'Protocol';
}
