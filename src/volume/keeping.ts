import { describeError, errorCode, OperatorError } from '../platform/errors.ts';
import { isNoRoom } from '../platform/reserve.ts';

/**
 * What a group's snapshots need done, before its volumes go on. One that finds no room says where it is wanted: the volumes are
 * often on another file system. @throws OperatorError `ENOSPC`, `VOLUME_OFFLINE`; what `act` throws
 */
export function keeping<R>(act: () => R): R {
  try {
    return act();
  } catch (error) {
    if (isNoRoom(error)) {
      throw new OperatorError('ENOSPC', `the group's snapshots: ${describeError(error)}`, {
        remedy: 'make room where they are kept; work on it resumes by itself',
        retryable: true,
        cause: error,
      });
    }
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new OperatorError('VOLUME_OFFLINE', describeError(error), {
      remedy: 'make the volume available again; work on it resumes by itself',
      retryable: true,
      cause: error,
    });
  }
}
