import { basename, join } from 'node:path';
import { SET_ASIDE_FOLDER } from '../journal/names.ts';
import { replaceFile } from '../platform/atomic-file.ts';
import type { Files } from '../platform/files.ts';

/** Refused segments kept for whoever wants to know why, and bytes of them; the oldest go first. */
export const SET_ASIDE_MAX = 64;
export const SET_ASIDE_BYTES_MAX = 256 * 1024 * 1024;
const REASON_SUFFIX = '.reason.txt';

export interface Refusal {
  readonly path: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Moves a refused segment out of the way, with the reason beside it (I4: never applied, never deleted silently). Of one
 * that is larger than all that may be kept, the reason alone is.
 */
export function setAside(files: Files, groupFolder: string, { path, reason, at }: Refusal): void {
  const folder = join(groupFolder, SET_ASIDE_FOLDER);
  files.makeDirectory(folder);
  const bytes = files.stat(path)?.size ?? 0;
  const isKept = bytes <= SET_ASIDE_BYTES_MAX;
  makeRoom(files, folder, isKept ? bytes : 0);
  const target = join(folder, `${new Date(at).toISOString().replaceAll(':', '')}-${basename(path)}`);
  const note = isKept ? '' : `It has ${bytes} bytes, more than is kept of refused files: it was removed.\n`;
  replaceFile(files, target + REASON_SUFFIX, Buffer.from(`${reason}\n${note}`, 'utf8'));
  if (isKept) files.rename(path, target);
  else files.remove(path);
  files.syncDirectory(folder);
}

export function countSetAside(files: Files, groupFolder: string): number {
  const folder = join(groupFolder, SET_ASIDE_FOLDER);
  return files.stat(folder) === undefined ? 0 : reasonsIn(files, folder).length;
}

function makeRoom(files: Files, folder: string, bytes: number): void {
  const kept = reasonsIn(files, folder).map((reason) => {
    const path = join(folder, reason.slice(0, -REASON_SUFFIX.length));
    return { path, bytes: files.stat(path)?.size ?? 0 };
  });
  let count = kept.length + 1;
  let sum = kept.reduce((total, file) => total + file.bytes, bytes);
  for (const oldest of kept) {
    if (count <= SET_ASIDE_MAX && sum <= SET_ASIDE_BYTES_MAX) return;
    // The reason last: what has none is no longer found.
    files.remove(oldest.path);
    files.remove(oldest.path + REASON_SUFFIX);
    count -= 1;
    sum -= oldest.bytes;
  }
}

/** Oldest first: their names begin with the time. */
function reasonsIn(files: Files, folder: string): string[] {
  return files
    .list(folder)
    .filter((name) => name.endsWith(REASON_SUFFIX))
    .sort();
}
