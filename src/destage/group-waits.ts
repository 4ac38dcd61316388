/** What stands in a destination's way, in the words of its waits and its status file. Pure. */
import type { DestinationStatus } from '../journal/status.ts';
import { describeError, errorCode } from '../platform/errors.ts';
import type { Waits } from '../platform/waits.ts';

const KNOWN: Readonly<Record<string, string>> = {
  VOLUME_OFFLINE: 'volume-offline',
  VOLUME_UNKNOWN: 'volume-unknown',
  VOLUME_SIZE: 'volume-unknown',
};

/** `fallback`: the code of a wait for what is not known by a code of its own. */
export function waitFor(
  error: unknown,
  fallback: string,
): { readonly code: string; readonly message: string } {
  const code = errorCode(error);
  const message = describeError(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return { code: 'disk-full', message: `there is no room left: ${message}` };
  }
  return { code: KNOWN[code] ?? fallback, message };
}

/** What the source is told: one reason, cut to what a status file takes. */
export function firstWait(waits: Waits): DestinationStatus['waiting'] {
  const [first] = waits.list();
  return first === undefined ? undefined : { ...first, message: first.message.slice(0, 1000) };
}
