/**
 * What an SFTP server answered, or SSH did, as a transport says it. Status codes are those of
 * draft-ietf-secsh-filexfer-02 section 7 (the version 3 that servers speak) and, as some send them all the same, of
 * draft-ietf-secsh-filexfer-13 section 9.1.
 */
import { TransportError, type TransportErrorCode } from '../transport.ts';

export const END_OF_FILE = 1;
export const NO_SUCH_FILE = 2;
/** All that OpenSSH says of a full disk, a read-only one, a folder in the way and much else. */
export const FAILURE = 4;

export interface SftpErrorContext {
  /** The server's description. */
  readonly server: string;
  /** What was being done: `sending inbox/NAME.seg`. */
  readonly action: string;
}

const REMEDIES: Readonly<Partial<Record<TransportErrorCode, string>>> = {
  NotFound: 'see that the path is the one the server shows after the login, and that its disk is mounted',
  Exists: 'move what lies there away at the server',
  Auth: 'see that user and key or password are right and that the server lets this user write and rename there',
  NoSpace: 'make room on the server, or raise the quota; sending goes on by itself',
  Busy: 'the server has no room for this connection or file now; it is tried again',
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
export function sftpError(error: unknown, context: SftpErrorContext): TransportError {
  if (error instanceof TransportError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = classify(error, text);
  const line = text.replace(/\s+/g, ' ').slice(0, 200).trim();
  return new TransportError(code, `${context.server}: ${context.action}: ${line}`, {
    remedy: REMEDIES[code] ?? '',
    cause: error,
  });
}

/** The status code when the error is a server's answer. */
export function statusCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

function classify(error: unknown, text: string): TransportErrorCode {
  const status = statusCode(error);
  if (status !== undefined) return STATUS.get(status) ?? 'Protocol';
  const system = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/authentication methods failed/i.test(text)) return 'Auth';
  if (/timed? ?out/i.test(`${system} ${text}`)) return 'Timeout';
  // A server at its limit of connections (sshd: MaxStartups) hangs up before it says who it is.
  return /E(?:CONN|PIPE|NET|HOST|NOTFOUND|AI_AGAIN)|closed|lost|not connected|no response|unexpected (?:end|close)|reset|before handshake/i.test(
    `${system} ${text}`,
  )
    ? 'ConnectionLost'
    : 'Protocol';
}
