/**
 * What goes wrong with an SMB server, by name.
 *
 * `NOT_FOUND` no such file or folder; `EXISTS` the name is taken; `IS_FOLDER`, `NOT_A_FOLDER` the other kind was expected;
 * `ACCESS_DENIED` the user may not; `LOGON_FAILURE` wrong user or password, or let in as a
 * guest only; `ACCOUNT_RESTRICTED` the account is disabled,
 * locked or may not log on now; `PASSWORD_EXPIRED`; `SHARE_NOT_FOUND`; `DISK_FULL` or over a quota; `SHARING_VIOLATION`
 * somebody else has it open; `BUSY` the server is out of resources; `TOO_LARGE` past the caller's limit; `TIMEOUT` no
 * answer; `CONNECTION_LOST` refused, reset, closed or the session is gone; `CANCELLED` by the caller; `INTEGRITY` a
 * signature, a decryption or a negotiation that does not check: somebody is in between; `UNSUPPORTED` no common dialect,
 * cipher or log-on; `MALFORMED` an answer that breaks the protocol; `REFUSED` any other
 * status of the server.
 */
export type SmbErrorCode =
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'IS_FOLDER'
  | 'NOT_A_FOLDER'
  | 'ACCESS_DENIED'
  | 'LOGON_FAILURE'
  | 'ACCOUNT_RESTRICTED'
  | 'PASSWORD_EXPIRED'
  | 'SHARE_NOT_FOUND'
  | 'DISK_FULL'
  | 'SHARING_VIOLATION'
  | 'BUSY'
  | 'TOO_LARGE'
  | 'TIMEOUT'
  | 'CONNECTION_LOST'
  | 'CANCELLED'
  | 'INTEGRITY'
  | 'UNSUPPORTED'
  | 'MALFORMED'
  | 'REFUSED';

/** Everything that this client throws on purpose. */
export class SmbError extends Error {
  readonly code: SmbErrorCode;
  /** The server's NTSTATUS (MS-ERREF 2.3), when it gave one. */
  readonly status: number | undefined;

  constructor(code: SmbErrorCode, message: string, details: { status?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SmbError';
    this.code = code;
    this.status = details.status;
  }
}

/** An answer that breaks the protocol; the connection that it came on is ended. */
export function malformed(what: string): SmbError {
  return new SmbError('MALFORMED', `the server's answer breaks the protocol: ${what}`);
}
