/** One log entry as a line: for people, and for programs. */
import { stripVTControlCharacters } from 'node:util';
import type { LogFields } from '../../platform/log.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogEntry {
  readonly level: LogLevel;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Which part of the program speaks: a group, the receiver; undefined for the daemon as a whole. */
  readonly part: string | undefined;
  readonly message: string;
  readonly fields: LogFields;
}

/** Colours a word by level; the identity where there is no terminal. */
export type Paint = (level: LogLevel, text: string) => string;

/** `2026-11-21 01:46:00.123 WARN  oracle: the link is down host=10.0.0.1`, in local time. */
export function humanLine(entry: LogEntry, paint: Paint): string {
  const level = paint(entry.level, entry.level.toUpperCase().padEnd(5));
  const part = entry.part === undefined ? '' : `${oneLine(entry.part)}: `;
  const fields = Object.entries(entry.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${fieldText(value)}`);
  return `${localTime(entry.time)} ${level} ${part}${oneLine(entry.message)}${fields.join('')}`;
}

/** `{"time","level","part","message","fields"}`; time is ISO 8601 in UTC. */
export function jsonLine(entry: LogEntry): string {
  const { level, part, message, fields } = entry;
  const some = Object.values(fields).some((value) => value !== undefined);
  return JSON.stringify({
    time: new Date(entry.time).toISOString(),
    level,
    part,
    message,
    fields: some ? fields : undefined,
  });
}

function fieldText(value: LogFields[string]): string {
  const text = oneLine(String(value));
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Servers' answers and programs' output come through here: they must not forge lines or steer the terminal. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

function localTime(time: number): string {
  const at = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${clock}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
