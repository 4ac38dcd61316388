/** A configuration, whatever is in it: `config/load.ts`. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { posix, win32 } from 'node:path';
import { PROBLEMS_MAX } from '../../../src/config/limits.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { describeProblem, type Problem } from '../../../src/config/problems.ts';
import type { ConfigWorld, FileRead } from '../../../src/config/world.ts';
import type { FuzzTarget, MutationTools } from '../engine/target.ts';
import { MIB } from './expect.ts';

/** In an input's first byte: the rules of Windows. */
const WINDOWS = 1;
const FOLDERS = ['../../../samples/config/', '../../golden/config/'];

/** Each name stands for ten of the one before. */
const ALIAS_BOMB = [
  'a: &a [x, x]',
  ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${`*${'abcdefghi'[i] ?? ''}, `.repeat(10)}]`),
].join('\n');

export function configTarget(): FuzzTarget {
  const texts = [...FOLDERS.flatMap((folder) => readTexts(new URL(folder, import.meta.url))), ALIAS_BOMB];
  const words = new Set(texts.flatMap((text) => text.match(/[\w-]+:/g) ?? []));
  return {
    seeds: texts.flatMap((text) =>
      [0, WINDOWS].map((flag) => Buffer.concat([Buffer.from([flag]), Buffer.from(text)])),
    ),
    dictionary: [
      ...words,
      '*a',
      '&a ',
      '<<: *a',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '|',
      '>-',
      '!!str ',
      '? ',
      '---',
      '\t',
      '"\\x',
    ].map((word) => Buffer.from(word)),
    lengthMax: 8 * 1024,
    // A tree of nodes, with places, for a few bytes of text each; an alias bomb ends at 100,000 nodes.
    memory: (input) => 96 * MIB + 16 * 1024 * input.length,
    timeLimit: 10_000,
    mutate: mutateLines,
    run: check,
  };
}

function readTexts(folder: URL): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return names.sort().map((name) => readFileSync(new URL(name, folder), 'utf8'));
}

/** Lines move, go, come twice, are indented otherwise, or get another one's name or value. */
function mutateLines(input: Buffer, { prng, words, other }: MutationTools): Buffer {
  const lines = input.toString('latin1', 1).split('\n');
  const more = other.toString('latin1', 1).split('\n');
  for (let steps = 1 + prng.below(4); steps > 0; steps -= 1) {
    const at = prng.below(lines.length);
    const line = lines[at] ?? '';
    switch (prng.below(8)) {
      case 0:
        lines.splice(at, 1 + prng.below(3));
        break;
      case 1:
        lines.splice(prng.below(lines.length + 1), 0, ...lines.slice(at, at + 1 + prng.below(5)));
        break;
      case 2:
        lines.splice(at, 0, ...more.slice(prng.below(more.length)).slice(0, 1 + prng.below(8)));
        break;
      case 3:
        lines[at] = ' '.repeat(prng.below(8)) + line.trimStart();
        break;
      case 4:
        lines[at] = line.replace(/:.*/, more[prng.below(more.length)]?.replace(/^[^:]*/, '') ?? ':');
        break;
      case 5:
        lines[at] = line.replace(/[\w-]+:/, words.length === 0 ? 'a:' : prng.pick(words).toString('latin1'));
        break;
      case 6:
        lines[at] = line.replace(/\d+/, String(prng.oneIn(2) ? prng.next() : prng.below(1000)));
        break;
      default:
        lines[at] = `${line} ${words.length === 0 ? '' : prng.pick(words).toString('latin1')}`;
    }
  }
  return Buffer.concat([input.subarray(0, 1), Buffer.from(lines.join('\n'), 'latin1')]);
}

function check(input: Buffer): void {
  const platform = ((input[0] ?? 0) & WINDOWS) === 0 ? 'posix' : 'win32';
  const path = platform === 'posix' ? '/etc/blockferry/config.yaml' : 'C:\\blockferry\\config.yaml';
  const options = {
    env: { FTP_PASSWORD: 'secret' },
    world: new MemoryWorld(platform, path, input.subarray(1)),
  };
  const result = loadConfig(path, options);
  if ('config' in result) {
    const { config } = result;
    assert.ok(config.groups.length <= 64);
    for (const group of config.groups) assert.ok(Number.isSafeInteger(group.quota) && group.quota > 0);
    const again = loadConfig(path, options);
    assert.deepEqual('config' in again ? again.config : undefined, config);
    return;
  }
  assert.ok(result.problems.length > 0 && result.problems.length <= PROBLEMS_MAX);
  let before: Problem | undefined;
  for (const problem of result.problems) {
    checkProblem(problem, input.length);
    assert.ok(before === undefined || before.line <= problem.line, 'in the order of the file');
    before = problem;
  }
}

/** One line that a terminal can be given, with a place in the file, a cause and a way out. */
function checkProblem(problem: Problem, length: number): void {
  const line = describeProblem(problem);
  assert.ok(problem.line >= 1 && problem.column >= 1 && problem.line <= length + 1);
  assert.ok(problem.message !== '' && problem.fix !== '', line);
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, line);
  assert.ok(line.length < 10_000, 'a line that can be read');
}

/** Secrets are there under any name that says so. */
class MemoryWorld implements ConfigWorld {
  readonly platform: 'posix' | 'win32';
  readonly #path: string;
  readonly #text: Buffer;

  constructor(platform: 'posix' | 'win32', path: string, text: Buffer) {
    this.platform = platform;
    this.#path = path;
    this.#text = text;
  }

  readFile(path: string, limit: number): FileRead {
    if (path === this.#path) return { kind: 'content', content: this.#text, shared: false, mode: 0o600 };
    const name = (this.platform === 'posix' ? posix : win32).basename(path);
    if (name.includes('missing')) return { kind: 'failed', reason: 'does not exist' };
    const text = name.includes('pass') ? 'correct horse\n' : 'a5'.repeat(32);
    return {
      kind: 'content',
      content: Buffer.from(text).subarray(0, limit),
      shared: name.includes('open'),
      mode: 0o644,
    };
  }

  identity(path: string): string {
    return path;
  }
}
