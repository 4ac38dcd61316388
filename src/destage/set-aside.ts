import { basename, join } from 'node:path';
import { SET_ASIDE_FOLDER } from '../journal/names.ts';
import { replaceFile } from '../platform/atomic-file.ts';
import type { Files } from '../platform/files.ts';

/** Refused segments kept for whoever wants to know why; the oldest go first. */
const KEPT_MAX = 64;
const REASON_SUFFIX = '.reason.txt';

/** Moves a refused segment out of the way, with the reason beside it (I4: never applied, never deleted silently). */
export function setAside(files: Files, groupFolder: string, path: string, reason: string, now: number): void {
  const folder = join(groupFolder, SET_ASIDE_FOLDER);
  files.makeDirectory(folder);
  const kept = files.list(folder).filter((entry) => entry.endsWith(REASON_SUFFIX));
  const stamp = new Date(now).toISOString().replaceAll(':', '');
  const target = `${stamp}-${basename(path)}`;
  for (const oldest of kept.sort().slice(0, Math.max(0, kept.length + 1 - KEPT_MAX))) {
    files.remove(join(folder, oldest));
    files.remove(join(folder, oldest.slice(0, -REASON_SUFFIX.length)));
  }
  replaceFile(files, join(folder, target + REASON_SUFFIX), Buffer.from(`${reason}\n`, 'utf8'));
  files.rename(path, join(folder, target));
  files.syncDirectory(folder);
}

export function countSetAside(files: Files, groupFolder: string): number {
  const folder = join(groupFolder, SET_ASIDE_FOLDER);
  if (files.stat(folder) === undefined) return 0;
  return files.list(folder).filter((entry) => entry.endsWith(REASON_SUFFIX)).length;
}
