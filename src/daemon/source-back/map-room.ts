import { OperatorError } from '../../platform/errors.ts';
import { isNoRoom } from '../../platform/reserve.ts';

/** Makes or enlarges a group's change map. @throws OperatorError `CHANGE_MAP_NO_ROOM`, and what `act` throws */
export function withMapRoom<T>({ folder }: { readonly folder: string }, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    throw new OperatorError('CHANGE_MAP_NO_ROOM', `there is no room in ${folder} for the change map`, {
      remedy: 'make room on the file system of the buffer: it takes 2 MiB at most for each volume',
      cause: error,
    });
  }
}
