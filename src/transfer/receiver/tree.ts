/**
 * The tree that a login sees, and the only way from a client's path to a file:
 *
 *     /inbox/NAME.seg.part   arriving        /inbox/NAME.seg   complete, write-only
 *     /inbox/link-test-ID.tmp[.part]         what `blockferry link test` writes, reads back and deletes
 *     /status/destination.json               read-only
 *
 * Pure. A name that comes out of here was put together anew from the numbers in it: no byte of a client's path ever
 * becomes part of a path on disk.
 */
import { isLinkTestName } from '../link-test-name.ts';
import {
  INBOX_FOLDER,
  PART_SUFFIX,
  STATUS_FILE,
  STATUS_FOLDER,
  parseSealedName,
  sealedName,
} from '../../journal/names.ts';

export type Folder = 'root' | 'inbox' | 'status';

export type Place =
  | { readonly kind: 'folder'; readonly folder: Folder }
  /** `name` is the sealed segment's, `….seg`, in both; of a link test's file its own. */
  | { readonly kind: 'part'; readonly name: string }
  | { readonly kind: 'segment'; readonly name: string }
  | { readonly kind: 'test'; readonly name: string }
  | { readonly kind: 'status-file' }
  | { readonly kind: 'nowhere' };

const NOWHERE: Place = { kind: 'nowhere' };

/** What a client's path means, seen from its current folder. `..` above the root stays at the root. */
export function resolvePlace(current: Folder, path: string): Place {
  const parts = path.startsWith('/') || current === 'root' ? [] : [current as string];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const [folder, name, ...deeper] = parts;
  if (folder === undefined) return { kind: 'folder', folder: 'root' };
  if ((folder !== INBOX_FOLDER && folder !== STATUS_FOLDER) || deeper.length > 0) return NOWHERE;
  if (name === undefined) return { kind: 'folder', folder };
  if (folder === STATUS_FOLDER) return name === STATUS_FILE ? { kind: 'status-file' } : NOWHERE;
  return inboxPlace(name) ?? NOWHERE;
}

/** A segment, a link test's file, or a part of either, or undefined when the inbox has no business with such a name. */
export function inboxPlace(
  name: string,
): { readonly kind: 'part' | 'segment' | 'test'; readonly name: string } | undefined {
  const isPart = name.endsWith(PART_SUFFIX);
  const whole = isPart ? name.slice(0, -PART_SUFFIX.length) : name;
  if (isLinkTestName(whole)) return { kind: isPart ? 'part' : 'test', name: whole };
  const range = parseSealedName(whole);
  return range === undefined ? undefined : { kind: isPart ? 'part' : 'segment', name: sealedName(range) };
}

/** As PWD shows it. */
export function folderPath(folder: Folder): string {
  return folder === 'root' ? '/' : `/${folder}`;
}
