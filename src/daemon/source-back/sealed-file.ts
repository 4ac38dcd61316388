/** A sealed segment in a source's journal folder, and what of several there to keep after a crash. */
import { join } from 'node:path';
import type { SegmentEnd } from '../../journal/coalesce-plan.ts';
import {
  compareRanges,
  JOURNAL_FOLDER,
  parseSealedName,
  PART_SUFFIX,
  type SegmentRange,
} from '../../journal/names.ts';
import type { Files } from '../../platform/files.ts';

export interface SealedFile {
  readonly name: string;
  readonly path: string;
  readonly range: SegmentRange;
  readonly bytes: number;
  readonly end: SegmentEnd;
  /** How many segments were merged into it; undefined where none were, as far as this process knows. */
  readonly merged?: number;
}

/** The replication files of the group, in order. What was never finished is removed, and what a crash left twice. */
export function findSealed(files: Files, folder: string): SealedFile[] {
  const journal = join(folder, JOURNAL_FOLDER);
  const found: SealedFile[] = [];
  for (const name of files.list(journal)) {
    const path = join(journal, name);
    const range = parseSealedName(name);
    if (name.endsWith(PART_SUFFIX)) files.remove(path);
    // What it holds was known to the process that sealed it.
    else if (range !== undefined)
      found.push({ name, path, range, bytes: files.stat(path)?.size ?? 0, end: 'control' });
  }
  // A killed process may have left names that no power cut was to spare (I2): these are sent.
  if (found.length > 0) files.syncDirectory(journal);
  found.sort((a, b) => compareRanges(a.range, b.range));
  const twice = twiceThere(found);
  for (const { path } of twice) files.remove(path);
  return found.filter((file) => !twice.has(file));
}

/**
 * A merged segment counts once one of those that it covers is gone, which is removed only when the merged one is durable;
 * until then they count (I6). A link may have begun to send one of them, and never the merged one.
 */
function twiceThere(sorted: readonly SealedFile[]): Set<SealedFile> {
  const twice = new Set<SealedFile>();
  const overlap = sorted.some(
    (file, i) =>
      file.range.epoch === sorted[i - 1]?.range.epoch && file.range.first <= (sorted[i - 1]?.range.last ?? 0),
  );
  if (!overlap) return twice;
  const shortest = sorted.toSorted((a, b) => lengthOf(a.range) - lengthOf(b.range));
  for (const merged of shortest) {
    const inside = sorted.filter((file) => !twice.has(file) && covers(merged.range, file.range));
    if (inside.length === 0) continue;
    if (areWhole(inside, merged.range)) twice.add(merged);
    else for (const file of inside) twice.add(file);
  }
  return twice;
}

function lengthOf(range: SegmentRange): number {
  return range.last - range.first;
}

function covers(a: SegmentRange, b: SegmentRange): boolean {
  const longer = lengthOf(a) > lengthOf(b);
  return longer && a.epoch === b.epoch && a.first <= b.first && a.last >= b.last;
}

function areWhole(sorted: readonly SealedFile[], range: SegmentRange): boolean {
  const records = sorted.reduce((sum, file) => sum + lengthOf(file.range) + 1, 0);
  return records === lengthOf(range) + 1;
}
