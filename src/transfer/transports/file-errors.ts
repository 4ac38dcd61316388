import { errorCode } from '../../platform/errors.ts';
import { TransportError, type TransportErrorCode } from '../transport.ts';

interface Meaning {
  readonly code: TransportErrorCode;
  readonly why: string;
  readonly remedy: (path: string) => string;
}

const FULL: Meaning = {
  code: 'NoSpace',
  why: 'no space is left there, or a quota is reached',
  remedy: (path) => `make room on the file system of ${path}; sending goes on by itself`,
};
const FORBIDDEN: Meaning = {
  code: 'Auth',
  why: 'permission is denied',
  remedy: (path) => `let the user that this program runs as read and write ${path}`,
};
const READ_ONLY: Meaning = {
  code: 'Auth',
  why: 'the file system is read-only',
  remedy: (path) => `mount the file system of ${path} read-write`,
};
const LOST: Meaning = {
  code: 'ConnectionLost',
  why: 'the disk or the share does not work',
  remedy: (path) => `see that the disk or share of ${path} is there and healthy; it is tried again`,
};
const SLOW: Meaning = {
  code: 'Timeout',
  why: 'the share does not answer',
  remedy: (path) => `see that the file server behind ${path} is up; it is tried again`,
};
const IN_USE: Meaning = {
  code: 'Busy',
  why: 'another program holds it',
  remedy: (path) => `see what holds files in ${path} open; it is tried again`,
};
const ABSENT: Meaning = {
  code: 'NotFound',
  why: 'it is not there',
  remedy: (path) => `see that ${path} exists and its share is mounted`,
};
const OBSTRUCTED: Meaning = {
  code: 'Exists',
  why: 'something else is in the way',
  remedy: (path) => `move what is no ordinary file or folder away from ${path}`,
};

/** Of the operating system's error codes, those that say more than "it failed". */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EFBIG: FULL,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: READ_ONLY,
  ENOENT: ABSENT,
  ETIMEDOUT: SLOW,
  EBUSY: IN_USE,
  EAGAIN: IN_USE,
  ETXTBSY: IN_USE,
  EMFILE: IN_USE,
  ENFILE: IN_USE,
  EISDIR: OBSTRUCTED,
  ENOTDIR: OBSTRUCTED,
  ENOTEMPTY: OBSTRUCTED,
  EEXIST: OBSTRUCTED,
  ELOOP: OBSTRUCTED,
  EIO: LOST,
  ESTALE: LOST,
  ENXIO: LOST,
  ENODEV: LOST,
  ENOTCONN: LOST,
  ECONNRESET: LOST,
  ECONNABORTED: LOST,
  ECONNREFUSED: LOST,
  EHOSTDOWN: LOST,
  EHOSTUNREACH: LOST,
  ENETDOWN: LOST,
  ENETUNREACH: LOST,
  EREMOTEIO: LOST,
  EPIPE: LOST,
};

/** What an operation on files threw, as a transport says it; a {@link TransportError} stays as it is. */
export function fileError(error: unknown, action: string, path: string): TransportError {
  if (error instanceof TransportError) return error;
  const system = errorCode(error);
  const meaning = MEANINGS[system];
  if (meaning === undefined) {
    const text = error instanceof Error ? error.message : String(error);
    return new TransportError('Protocol', `${action}: ${text}`, {
      remedy: `see what ${path} is`,
      cause: error,
    });
  }
  const remedy = meaning.remedy(path);
  return new TransportError(meaning.code, `${action}: ${meaning.why} (${system})`, { remedy, cause: error });
}
