/** The schema's issues in an administrator's words. Pure. */
import { z } from 'zod';
import { isSettings } from './lenient.ts';
import { quote, type Finding, type SettingPath } from './problems.ts';
import { ROLES, type FileSchema } from './schema.ts';

/** Longer names are no misspellings of ours. */
const COMPARED_LENGTH_MAX = 40;
/** Names of settings listed in one message. */
const LISTED_MAX = 16;

/** What to write where a group of settings is missing. */
const SECTION_FIXES: Readonly<Record<string, string>> = {
  groups: 'add groups: with a name below it for each consistency group',
  volumes: 'add volumes: with a line such as data: /dev/sdb for each volume',
  windows: 'write a list with a line for each: - { days: mon-fri, from: 08:00, to: 18:00, limit: closed }',
  destinations: 'add destinations: with a name below it for each site that gets a copy',
  nbd: 'add nbd: with a socket: or listen: that hosts reach the volumes by',
  role: 'add role: source (hosts write to it here) or role: destination (it gets a copy here)',
};
const EMPTY_FILE_FIX = 'begin with state: and groups:, as the files under samples/config do';

/** Everything that the schema has against `value`. */
export function schemaFindings(schema: FileSchema, value: unknown): Finding[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return result.error.issues.flatMap((issue) => wordIssue(issue, schema, value));
}

function wordIssue(issue: z.core.$ZodIssue, schema: FileSchema, root: unknown): Finding[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  const found = valueAt(root, path);
  if (issue.code === 'custom') return [{ path, message: issue.message, fix: fixOf(issue.params) }];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownSetting(schema, root, [...path, key]));
  }
  // The only union is that of the roles; what is left is something else where settings belong.
  return [issue.code === 'invalid_union' ? roleFinding(path, found) : sectionFinding(path, found)];
}

function fixOf(params: Record<string, unknown> | undefined): string {
  return typeof params?.['fix'] === 'string' ? params['fix'] : '';
}

function roleFinding(path: SettingPath, found: unknown): Finding {
  const fix = SECTION_FIXES['role'] ?? '';
  if (found === undefined) return { path, message: 'is missing', fix };
  if (found === null) return { path, message: 'has no value', fix };
  const near = typeof found === 'string' ? nearest(found, ROLES) : undefined;
  const shown = typeof found === 'object' ? 'the value' : quote(found);
  return {
    path,
    message: `${shown} is neither source nor destination`,
    fix: near === undefined ? 'write source or destination' : `did you mean ${near}?`,
  };
}

function sectionFinding(path: SettingPath, found: unknown): Finding {
  const name = String(path.at(-1) ?? '');
  if (path.length === 0) {
    const message =
      found === null || found === undefined ? 'the file is empty' : 'the file holds no settings';
    return { path, message, fix: EMPTY_FILE_FIX };
  }
  if (found === undefined) return { path, message: 'is missing', fix: SECTION_FIXES[name] ?? `add ${name}:` };
  const fix = SECTION_FIXES[name] ?? 'write its settings below it, indented, as name: value';
  if (found === null) return { path, message: 'has nothing below it', fix };
  const here = Array.isArray(found) ? 'list' : typeof found === 'object' ? 'group of settings' : 'value';
  const wanted = name === 'windows' ? 'list' : 'group of settings';
  return { path, message: `is a ${here} where a ${wanted} belongs`, fix };
}

function unknownSetting(schema: FileSchema, root: unknown, path: SettingPath): Finding {
  const key = String(path.at(-1));
  const known = knownSettings(schema, root, path.slice(0, -1));
  const message = 'is not a setting';
  const near = nearest(key, known);
  if (near !== undefined) return { path, at: 'key', message, fix: `did you mean ${near}?` };
  const elsewhere = otherRole(schema, path, root);
  if (elsewhere !== undefined) {
    return {
      path,
      at: 'key',
      message: `${message} of a ${elsewhere.here}`,
      fix: `it belongs to a ${elsewhere.there}`,
    };
  }
  const list = known.length > LISTED_MAX ? `${known.slice(0, LISTED_MAX).join(', ')}, …` : known.join(', ');
  return { path, at: 'key', message, fix: `known here are ${list}` };
}

/** Whether a setting of a group is one of the other role's. */
function otherRole(
  schema: FileSchema,
  path: SettingPath,
  root: unknown,
): { here: string; there: string } | undefined {
  if (path.length !== 3 || path[0] !== 'groups') return undefined;
  const here = valueAt(root, [...path.slice(0, 2), 'role']);
  const there = ROLES.find((role) => role !== here);
  if (there === undefined) return undefined;
  const names = Object.keys(roleSettings(schema, there));
  return names.includes(String(path[2])) ? { here: String(here), there } : undefined;
}

function roleSettings(schema: FileSchema, role: unknown): z.core.$ZodLooseShape {
  const option = schema.shape.groups.valueType.options.find(
    ({ shape }) => shape.role.safeParse(role).success,
  );
  return option?.shape ?? {};
}

/** The names that the schema has for the settings at `path`. */
function knownSettings(schema: FileSchema, root: unknown, path: SettingPath): string[] {
  let current: z.core.$ZodType | undefined = schema;
  for (const [index, part] of path.entries()) {
    current = child(unwrap(current, valueAt(root, path.slice(0, index))), part);
  }
  const object = unwrap(current, valueAt(root, path));
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function unwrap(schema: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return unwrap(schema.unwrap(), value);
  if (schema instanceof z.ZodPipe) return unwrap(schema.out, value);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema;
  const role = isSettings(value) ? value['role'] : undefined;
  return schema.options.find((option) => {
    return option instanceof z.ZodObject && z.safeParse(option.shape['role'] ?? z.never(), role).success;
  });
}

function child(schema: z.core.$ZodType | undefined, part: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodRecord) return schema.valueType;
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodObject ? (schema.shape as z.core.$ZodShape)[part] : undefined;
}

export function valueAt(root: unknown, path: SettingPath): unknown {
  let current = root;
  for (const part of path) {
    if (Array.isArray(current)) current = current[Number(part)] as unknown;
    else if (isSettings(current)) current = current[part];
    else return undefined;
  }
  return current;
}

/** The candidate that `word` may be a misspelling of. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > COMPARED_LENGTH_MAX) return undefined;
  const plain = simplify(word);
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(plain, simplify(candidate));
    const near = distance <= allowedDistance(candidate) || contains(plain, simplify(candidate));
    if (near && distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best?.candidate;
}

function allowedDistance(candidate: string): number {
  return candidate.length < 5 ? 1 : Math.max(2, Math.floor(candidate.length / 3));
}

/** `maxsize` for size, `password` for password-file. */
function contains(word: string, candidate: string): boolean {
  const [short, long] = word.length < candidate.length ? [word, candidate] : [candidate, word];
  return short.length >= 4 && long.includes(short);
}

/** `whenFull`, `when_full` and `When-Full` are the same word. */
function simplify(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ .]/g, '');
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = swapped ? (before[column - 2] ?? 0) + 1 : Infinity;
      const step = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + same,
      );
      current.push(Math.min(step, swap));
    }
    before = above;
    above = current;
  }
  return above[b.length] ?? 0;
}
