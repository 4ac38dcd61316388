/**
 * The tree that a login sees, and the only way from a client's path to a file:
 *
 *     /inbox/NAME.seg.part   arriving        /inbox/NAME.seg   complete, write-only
 *     /inbox/link-test-ID.tmp[.part]         what `blockferry link test` writes, reads back and deletes
 *     /status/destination.json               read-only
 *     /outbox/NAME.seg                       read and deleted: what the other side fetches
 *     /outbox-status/destination.json[.part] written, renamed and read: what the other side says
 *
 * Pure. A name that comes out of here was put together anew from the numbers in it: no byte of a client's path ever
 * becomes part of a path on disk.
 */
import { isLinkTestName } from '../link-test-name.ts';
import {
  INBOX_FOLDER,
  OUTBOX_FOLDER,
  OUTBOX_STATUS_FOLDER,
  PART_SUFFIX,
  STATUS_FILE,
  STATUS_FOLDER,
  parseSealedName,
  sealedName,
} from '../../journal/names.ts';

/** Below the root. */
export const FOLDERS = [INBOX_FOLDER, STATUS_FOLDER, OUTBOX_FOLDER, OUTBOX_STATUS_FOLDER] as const;
export type Folder = 'root' | (typeof FOLDERS)[number];

export type Place =
  | { readonly kind: 'folder'; readonly folder: Folder }
  /** `name` is the sealed segment's, `….seg`; of a link test's file and of an answer its own. */
  | { readonly kind: 'part'; readonly name: string }
  | { readonly kind: 'segment'; readonly name: string }
  | { readonly kind: 'test'; readonly name: string }
  /** A segment in the outbox. */
  | { readonly kind: 'kept'; readonly name: string }
  /** What the other side says it has received of these. */
  | { readonly kind: 'answer'; readonly name: string }
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
  if (!isFolder(folder) || deeper.length > 0) return NOWHERE;
  if (name === undefined) return { kind: 'folder', folder };
  return placeIn(folder, name) ?? NOWHERE;
}

function isFolder(name: string): name is Exclude<Folder, 'root'> {
  return (FOLDERS as readonly string[]).includes(name);
}

function placeIn(folder: Exclude<Folder, 'root'>, name: string): Place | undefined {
  switch (folder) {
    case 'inbox':
      return inboxPlace(name);
    case 'status':
      return name === STATUS_FILE ? { kind: 'status-file' } : undefined;
    case 'outbox':
      return outboxPlace(name);
    case 'outbox-status':
      if (name === STATUS_FILE) return { kind: 'answer', name: STATUS_FILE };
      return name === STATUS_FILE + PART_SUFFIX ? { kind: 'part', name: STATUS_FILE } : undefined;
  }
}

/** Of the name of what is written: no segment has this one. */
export function isAnswer(name: string): boolean {
  return name === STATUS_FILE;
}

/** Of a segment; what is still being put there is nobody else's business. */
export function outboxPlace(name: string): { readonly kind: 'kept'; readonly name: string } | undefined {
  const range = parseSealedName(name);
  return range && { kind: 'kept', name: sealedName(range) };
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
