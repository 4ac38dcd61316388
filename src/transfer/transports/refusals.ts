/** Errors that every transport throws alike. `what` names the server and the file. */
import { TransportError } from '../transport.ts';
import { LIST_ENTRIES_MAX } from './names.ts';

export function cancelled(what: string): TransportError {
  return new TransportError('Cancelled', `${what}: cancelled`, {
    remedy: 'nothing was published; try again',
  });
}

/** A file that is to be brought here and is not at the server. */
export function absent(what: string): TransportError {
  return new TransportError('NotFound', `${what}: there is no such file at the server`, {
    remedy: 'it may have been taken away meanwhile: see what the folder holds now',
  });
}

/** `limit` in bytes. */
export function tooLarge(what: string, limit: number): TransportError {
  return new TransportError('TooLarge', `${what}: it is longer than the ${limit} bytes that are expected`, {
    remedy: 'see what wrote it; no file of ours there is that long',
  });
}

export function tooMany(what: string): TransportError {
  return new TransportError('TooLarge', `${what}: there are more than ${LIST_ENTRIES_MAX} files`, {
    remedy: 'see what fills the folder, and move away what is not ours',
  });
}

/** What is at the server is not what was sent. */
export function arrivedWrong(path: string, size: number, expected: number): TransportError {
  return new TransportError(
    'Integrity',
    `${path} has ${size} bytes at the server where ${expected} were sent`,
    { remedy: 'see that nothing else writes there; it is sent again from its start' },
  );
}
