/** Single settings: each takes whatever stands in the file and gives its value, or says what is wrong with it. Pure. */
import { posix, win32 } from 'node:path';
import { z } from 'zod';
import {
  isHost,
  parseAddress,
  parsePortRange,
  ADDRESS_FIX,
  type Address,
  type PortRange,
} from './address.ts';
import { PATH_LENGTH_MAX, PROGRAM_ARGUMENTS_MAX, TEXT_LENGTH_MAX } from './limits.ts';
import { quote } from './problems.ts';
import { formatDuration, formatSize, parseDuration, parseSize, type Parsed } from './units.ts';

export type Leaf<T> = z.ZodType<T>;

/** Inclusive. */
interface Limits {
  readonly min: number;
  readonly max: number;
}

/** What a path in the file is relative to, and whose rules it follows. */
export interface PathContext {
  /** Absolute: the configuration file's. */
  readonly folder: string;
  readonly platform: 'posix' | 'win32';
}

// Also what YAML makes of "C:\New", "C:\Logs", "C:\Programs" and "C:\_x" in double quotes.
// eslint-disable-next-line no-control-regex -- these are what is looked for
const UNWANTED_CHARACTER = /[\u0000-\u001f\u007f-\u00a0\u2028\u2029]/;
const FINGERPRINT = /^(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}$/i;
const HOST_KEY = /^SHA256:[A-Za-z0-9+/]{43}$/;
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names that Windows takes as they are: resolving them would add a separator. */
const WINDOWS_DEVICE = /^\\\\[.?]\\/;

/** `fix` says what a right value looks like. */
export function leaf<T>(fix: string, parse: (value: unknown) => Parsed<T>): Leaf<T> {
  return z.transform((input: unknown, context): T => {
    const parsed = parseSomething(input, fix, parse);
    if ('value' in parsed) return parsed.value;
    context.issues.push({ code: 'custom', input, message: parsed.message, params: { fix: parsed.fix } });
    return z.NEVER;
  });
}

function parseSomething<T>(input: unknown, fix: string, parse: (value: unknown) => Parsed<T>): Parsed<T> {
  if (input === undefined) return { message: 'is missing', fix };
  if (input === null) return { message: 'has no value', fix };
  if (typeof input === 'object') {
    return {
      message: `is a ${Array.isArray(input) ? 'list' : 'group of settings'} where one value belongs`,
      fix,
    };
  }
  return parse(input);
}

/** Any text of one line. */
function parseText(value: unknown, fix: string, lengthMax: number = TEXT_LENGTH_MAX): Parsed<string> {
  if (typeof value !== 'string') {
    return { message: `is read as a ${typeof value}, not as text`, fix: 'put it in quotes' };
  }
  if (value === '') return { message: 'is empty', fix };
  if (value.length > lengthMax) return { message: `has more than ${lengthMax} characters`, fix };
  if (UNWANTED_CHARACTER.test(value)) {
    return {
      message: `holds a control character: ${quote(value)}`,
      fix: 'write it without quotes or in single quotes: in double quotes a backslash begins an escape',
    };
  }
  return { value };
}

export function text(fix: string): Leaf<string> {
  return leaf(fix, (value) => parseText(value, fix));
}

/** Text that `parse` makes something of; its messages are put behind the quoted text. */
export function textual<T>(fix: string, parse: (value: string) => Parsed<T>): Leaf<T> {
  return leaf(fix, (value) => {
    const plain = parseText(value, fix);
    if (!('value' in plain)) return plain;
    return subject(plain.value, parse(plain.value));
  });
}

function subject<T>(value: string, parsed: Parsed<T>): Parsed<T> {
  return 'value' in parsed ? parsed : { ...parsed, message: `${quote(value)} ${parsed.message}` };
}

/** An absolute, normal path. */
export function path(fix: string, context: PathContext): Leaf<string> {
  const rules = context.platform === 'win32' ? win32 : posix;
  return leaf(fix, (value) => {
    const plain = parseText(value, fix, PATH_LENGTH_MAX);
    if (!('value' in plain)) return plain;
    if (plain.value.startsWith('~')) {
      return {
        message: `${quote(plain.value)} begins with ~, which only a shell understands`,
        fix: 'write the whole path',
      };
    }
    if (context.platform === 'win32' && WINDOWS_DEVICE.test(plain.value)) return plain;
    return { value: rules.resolve(context.folder, plain.value) };
  });
}

/** A path on a file server, as it shows it. */
export function remotePath(
  fix = 'write the folder as the server shows it after the login, from its root: /oracle',
): Leaf<string> {
  return textual(fix, (value) => {
    if (!value.startsWith('/')) return { message: 'does not begin with /', fix };
    const parts = value.split('/').filter((part) => part !== '');
    if (parts.some((part) => part === '.' || part === '..')) return { message: 'holds . or ..', fix };
    return { value: `/${parts.join('/')}` };
  });
}

export function size(example: string, limits: Limits): Leaf<number> {
  return measure(`write a size such as ${example}`, limits, { parse: parseSize, format: formatSize });
}

export function duration(example: string, limits: Limits): Leaf<number> {
  return measure(`write a time such as ${example}`, limits, { parse: parseDuration, format: formatDuration });
}

interface Unit {
  readonly parse: (text: string) => Parsed<number>;
  readonly format: (value: number) => string;
}

function measure(fix: string, limits: Limits, unit: Unit): Leaf<number> {
  return leaf(fix, (value) => {
    const written = typeof value === 'number' ? String(value) : value;
    const plain = parseText(written, fix);
    if (!('value' in plain)) return { message: plain.message, fix };
    const parsed = subject(plain.value, unit.parse(plain.value));
    return 'value' in parsed ? within(parsed.value, limits, plain.value, unit.format) : parsed;
  });
}

function within(
  value: number,
  limits: Limits,
  written: string,
  format: (value: number) => string,
): Parsed<number> {
  const { min, max } = limits;
  if (value < min) return { message: `${quote(written)} is too small`, fix: `write at least ${format(min)}` };
  if (value > max) return { message: `${quote(written)} is too large`, fix: `write at most ${format(max)}` };
  return { value };
}

export function integer(limits: Limits): Leaf<number> {
  const fix = `write a whole number from ${limits.min} to ${limits.max}`;
  return leaf(fix, (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return { message: `${quote(value)} is not a whole number`, fix };
    }
    return value < limits.min || value > limits.max
      ? { message: `${value} is out of range`, fix }
      : { value };
  });
}

export function flag(): Leaf<boolean> {
  const fix = 'write true or false';
  return leaf(fix, (value) => {
    return typeof value === 'boolean'
      ? { value }
      : { message: `${quote(value)} is neither true nor false`, fix };
  });
}

export function choice<const T extends string>(choices: readonly T[], fix: string): Leaf<T> {
  return leaf(fix, (value) => {
    const found = choices.find((candidate) => candidate === value);
    return found === undefined
      ? { message: `${quote(value)} is none of ${choices.join(', ')}`, fix }
      : { value: found };
  });
}

export function address(): Leaf<Address> {
  return leaf(ADDRESS_FIX, (value) => {
    if (typeof value === 'number')
      return { message: `${value} is a port without an address`, fix: ADDRESS_FIX };
    const plain = parseText(value, ADDRESS_FIX);
    return 'value' in plain ? subject(plain.value, parseAddress(plain.value)) : plain;
  });
}

export function portRange(): Leaf<PortRange> {
  return textual('write the first and the last port, such as 30000-30049', parsePortRange);
}

export function host(fix: string): Leaf<string> {
  return textual(fix, (value) =>
    isHost(value) ? { value } : { message: 'is no host name and no IP address', fix },
  );
}

/** A name or value that must match a pattern. */
export function matching(pattern: RegExp, wrong: string, fix: string): Leaf<string> {
  return textual(fix, (value) => (pattern.test(value) ? { value } : { message: wrong, fix }));
}

/** 64 lower-case hexadecimal digits; taken with colons too, as `openssl x509 -fingerprint` prints them. */
export function fingerprint(): Leaf<string> {
  const fix =
    'write the 64 hexadecimal digits of the certificate’s SHA-256 (openssl x509 -noout -fingerprint -sha256)';
  return textual(fix, (value) => {
    if (!FINGERPRINT.test(value)) return { message: 'is not a SHA-256 fingerprint', fix };
    return { value: value.replaceAll(':', '').toLowerCase() };
  });
}

/** As `ssh-keygen -lf` shows a server's key. */
export function hostKey(): Leaf<string> {
  return matching(
    HOST_KEY,
    'is no SHA-256 fingerprint of a host key',
    'write what ssh-keygen -lf shows of the server’s key: SHA256: and 43 characters',
  );
}

export function environmentName(): Leaf<string> {
  return matching(
    ENVIRONMENT_NAME,
    'is no name of an environment variable',
    'write its name alone, without a dollar sign',
  );
}

/** A program with its arguments; no shell reads it. */
export function program(): z.ZodType<[string, ...string[]]> {
  const fix =
    'write a list: the program’s whole path, then its arguments, such as [/usr/local/bin/nightly, --full]';
  return z.transform((input: unknown, context): [string, ...string[]] => {
    const refuse = (message: string, at: number[] = [], hint: string = fix): never => {
      context.issues.push({ code: 'custom', input, message, path: at, params: { fix: hint } });
      return z.NEVER;
    };
    if (input === undefined) return refuse('is missing');
    if (!Array.isArray(input)) return refuse('is not a list');
    if (input.length === 0) return refuse('is an empty list');
    if (input.length > PROGRAM_ARGUMENTS_MAX) return refuse(`has more than ${PROGRAM_ARGUMENTS_MAX} entries`);
    for (const [index, argument] of input.entries()) {
      // An empty argument is one that some programs want.
      const parsed =
        argument === '' && index > 0
          ? { value: '' }
          : parseSomething(argument, fix, (value) => parseText(value, fix));
      if (!('value' in parsed)) refuse(parsed.message, [index], parsed.fix);
    }
    return input as [string, ...string[]];
  });
}
