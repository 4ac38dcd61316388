/** NTSTATUS values (MS-ERREF 2.3.1) that servers give, and what they come down to. */
import { SmbError, type SmbErrorCode } from './errors.ts';

export const STATUS_SUCCESS = 0x00000000;
/** An interim answer: the final one follows (MS-SMB2 3.2.5.1.5). */
export const STATUS_PENDING = 0x00000103;
export const STATUS_NO_MORE_FILES = 0x80000006;
export const STATUS_INVALID_DEVICE_REQUEST = 0xc0000010;
export const STATUS_END_OF_FILE = 0xc0000011;
/** Of a log-on that takes another round (MS-SMB2 3.2.5.3). */
export const STATUS_MORE_PROCESSING_REQUIRED = 0xc0000016;
export const STATUS_ACCESS_DENIED = 0xc0000022;
export const STATUS_NOT_SUPPORTED = 0xc00000bb;
export const STATUS_FILE_CLOSED = 0xc0000128;

interface Meaning {
  readonly name: string;
  readonly code: SmbErrorCode;
}

const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [0xc000000f, { name: 'STATUS_NO_SUCH_FILE', code: 'NOT_FOUND' }],
  [0xc0000034, { name: 'STATUS_OBJECT_NAME_NOT_FOUND', code: 'NOT_FOUND' }],
  [0xc000003a, { name: 'STATUS_OBJECT_PATH_NOT_FOUND', code: 'NOT_FOUND' }],
  [0xc0000033, { name: 'STATUS_OBJECT_NAME_INVALID', code: 'NOT_FOUND' }],
  [0xc000003b, { name: 'STATUS_OBJECT_PATH_SYNTAX_BAD', code: 'NOT_FOUND' }],
  [0xc0000056, { name: 'STATUS_DELETE_PENDING', code: 'SHARING_VIOLATION' }],
  [0xc0000035, { name: 'STATUS_OBJECT_NAME_COLLISION', code: 'EXISTS' }],
  [0xc0000101, { name: 'STATUS_DIRECTORY_NOT_EMPTY', code: 'EXISTS' }],
  [0xc00000ba, { name: 'STATUS_FILE_IS_A_DIRECTORY', code: 'IS_FOLDER' }],
  [0xc0000103, { name: 'STATUS_NOT_A_DIRECTORY', code: 'NOT_A_FOLDER' }],
  [STATUS_ACCESS_DENIED, { name: 'STATUS_ACCESS_DENIED', code: 'ACCESS_DENIED' }],
  [0xc0000121, { name: 'STATUS_CANNOT_DELETE', code: 'ACCESS_DENIED' }],
  [0xc00000a2, { name: 'STATUS_MEDIA_WRITE_PROTECTED', code: 'ACCESS_DENIED' }],
  [0xc00000ca, { name: 'STATUS_NETWORK_ACCESS_DENIED', code: 'ACCESS_DENIED' }],
  [0xc000006d, { name: 'STATUS_LOGON_FAILURE', code: 'LOGON_FAILURE' }],
  [0xc000006a, { name: 'STATUS_WRONG_PASSWORD', code: 'LOGON_FAILURE' }],
  [0xc0000064, { name: 'STATUS_NO_SUCH_USER', code: 'LOGON_FAILURE' }],
  [0xc0000071, { name: 'STATUS_PASSWORD_EXPIRED', code: 'PASSWORD_EXPIRED' }],
  [0xc0000224, { name: 'STATUS_PASSWORD_MUST_CHANGE', code: 'PASSWORD_EXPIRED' }],
  [0xc000006e, { name: 'STATUS_ACCOUNT_RESTRICTION', code: 'ACCOUNT_RESTRICTED' }],
  [0xc000006f, { name: 'STATUS_INVALID_LOGON_HOURS', code: 'ACCOUNT_RESTRICTED' }],
  [0xc0000070, { name: 'STATUS_INVALID_WORKSTATION', code: 'ACCOUNT_RESTRICTED' }],
  [0xc0000072, { name: 'STATUS_ACCOUNT_DISABLED', code: 'ACCOUNT_RESTRICTED' }],
  [0xc0000193, { name: 'STATUS_ACCOUNT_EXPIRED', code: 'ACCOUNT_RESTRICTED' }],
  [0xc0000234, { name: 'STATUS_ACCOUNT_LOCKED_OUT', code: 'ACCOUNT_RESTRICTED' }],
  [0xc000015b, { name: 'STATUS_LOGON_TYPE_NOT_GRANTED', code: 'ACCOUNT_RESTRICTED' }],
  [0xc00000cc, { name: 'STATUS_BAD_NETWORK_NAME', code: 'SHARE_NOT_FOUND' }],
  [0xc000007f, { name: 'STATUS_DISK_FULL', code: 'DISK_FULL' }],
  [0xc0000044, { name: 'STATUS_QUOTA_EXCEEDED', code: 'DISK_FULL' }],
  [0xc0000043, { name: 'STATUS_SHARING_VIOLATION', code: 'SHARING_VIOLATION' }],
  [0xc0000054, { name: 'STATUS_FILE_LOCK_CONFLICT', code: 'SHARING_VIOLATION' }],
  [0xc0000055, { name: 'STATUS_LOCK_NOT_GRANTED', code: 'SHARING_VIOLATION' }],
  [0xc0000017, { name: 'STATUS_NO_MEMORY', code: 'BUSY' }],
  [0xc000009a, { name: 'STATUS_INSUFFICIENT_RESOURCES', code: 'BUSY' }],
  [0xc0000205, { name: 'STATUS_INSUFF_SERVER_RESOURCES', code: 'BUSY' }],
  [0xc00000d0, { name: 'STATUS_REQUEST_NOT_ACCEPTED', code: 'BUSY' }],
  [0xc000011f, { name: 'STATUS_TOO_MANY_OPENED_FILES', code: 'BUSY' }],
  [0xc00000b5, { name: 'STATUS_IO_TIMEOUT', code: 'TIMEOUT' }],
  [0xc0000120, { name: 'STATUS_CANCELLED', code: 'CANCELLED' }],
  [0xc0000203, { name: 'STATUS_USER_SESSION_DELETED', code: 'CONNECTION_LOST' }],
  [0xc000035c, { name: 'STATUS_NETWORK_SESSION_EXPIRED', code: 'CONNECTION_LOST' }],
  [0xc00000c9, { name: 'STATUS_NETWORK_NAME_DELETED', code: 'CONNECTION_LOST' }],
  [0xc000020c, { name: 'STATUS_CONNECTION_DISCONNECTED', code: 'CONNECTION_LOST' }],
  [STATUS_FILE_CLOSED, { name: 'STATUS_FILE_CLOSED', code: 'CONNECTION_LOST' }],
  [STATUS_NOT_SUPPORTED, { name: 'STATUS_NOT_SUPPORTED', code: 'UNSUPPORTED' }],
  [STATUS_INVALID_DEVICE_REQUEST, { name: 'STATUS_INVALID_DEVICE_REQUEST', code: 'UNSUPPORTED' }],
  [0xc0000257, { name: 'STATUS_PATH_NOT_COVERED', code: 'UNSUPPORTED' }],
  [0xc000000d, { name: 'STATUS_INVALID_PARAMETER', code: 'REFUSED' }],
] as const);

/** `STATUS_ACCESS_DENIED`, or the number in hexadecimal. */
export function statusName(status: number): string {
  return MEANINGS.get(status)?.name ?? `status 0x${status.toString(16).padStart(8, '0')}`;
}

/** The error for a status that is none of those that a request may end with. `action` as in `opening x`. */
export function statusError(status: number, action: string): SmbError {
  const code = MEANINGS.get(status)?.code ?? 'REFUSED';
  return new SmbError(code, `${action}: ${statusName(status)}`, { status });
}
