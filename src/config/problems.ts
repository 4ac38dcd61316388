/** What is wrong with a configuration, where, and what to do about it. Pure. */

/** Both count from 1; a column is a UTF-16 code unit, as editors count them. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Position {
  /** As it was given to `loadConfig`. */
  readonly file: string;
  /** The setting, `groups.oracle.volumes.data.path`; empty when the file as a whole or its syntax is meant. */
  readonly path: string;
  /** What is wrong: reads on from the path. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

export type SettingPath = readonly (string | number)[];

/** A problem whose place in the text is not looked up yet. */
export interface Finding {
  readonly path: SettingPath;
  /** Whether the setting's name is meant rather than its value. */
  readonly at?: 'key';
  readonly message: string;
  readonly fix: string;
}

/** `file:line:column: path: what is wrong; what to do` */
export function describeProblem(problem: Problem): string {
  const { file, line, column, path, message, fix } = problem;
  const setting = path === '' ? '' : `${path}: `;
  return `${file}:${line}:${column}: ${setting}${message}${fix === '' ? '' : `; ${fix}`}`;
}

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;

/** Dots between settings, `[0]` for an entry of a list, quotes where a name holds anything else than letters and digits. */
export function formatPath(path: SettingPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += `${text === '' ? '' : '.'}${PLAIN_KEY.test(part) ? part : quote(part)}`;
  }
  return text;
}

const QUOTED_MAX = 60;
/** Invisible, or able to turn the direction of the text behind it. */
const UNPRINTABLE = /[\u007f-\u00a0\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A value of the file inside a message: cut, and without anything that a terminal would act on. */
export function quote(value: unknown, lengthMax = QUOTED_MAX): string {
  const full = String(value);
  const text = full.length > lengthMax ? `${full.slice(0, lengthMax)}…` : full;
  return JSON.stringify(text).replaceAll(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

export function comparePositions(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}
