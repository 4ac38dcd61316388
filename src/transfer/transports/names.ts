/**
 * Which names a transport takes. They go into FTP commands and paths on servers of every kind, and come back in listings
 * of a server that is not trusted (I12), so what is legal is a short list: letters, digits, dot, dash and underscore,
 * with a letter or digit at both ends, and nothing that Windows takes for a device.
 */
import { TransportError } from '../transport.ts';

/** Characters of one part, so that `.part` behind it stays below the 255 that file systems take. */
export const NAME_PART_MAX = 200;
/** Files of one folder that a listing may have; more is refused. */
export const LIST_ENTRIES_MAX = 100_000;

const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

export interface ParsedName {
  /** The folder below the group's, or undefined for a file in the group's folder itself. */
  readonly folder: string | undefined;
  readonly file: string;
}

export function isLegalPart(part: string): boolean {
  return part.length <= NAME_PART_MAX && PART.test(part) && !WINDOWS_DEVICE.test(part);
}

/** @throws TransportError `BadName` */
export function parseName(name: string): ParsedName {
  const parts = name.split('/');
  const [first, second] = parts;
  if (parts.length > 2 || first === undefined || !parts.every(isLegalPart)) throw badName(name);
  return second === undefined ? { folder: undefined, file: first } : { folder: first, file: second };
}

/** @throws TransportError `BadName` */
export function checkFolder(folder: string): void {
  if (!isLegalPart(folder)) throw badName(folder);
}

function badName(name: string): TransportError {
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
  return new TransportError('BadName', `${shown} is no name for a file on a file server`, {
    remedy: `use one or two parts of at most ${NAME_PART_MAX} letters, digits, dots, dashes and underscores`,
  });
}
