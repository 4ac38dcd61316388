/**
 * YAML 1.2 text → plain values, and where in the text each of them stands. Pure.
 *
 * The values are made here and not by the library's `toJS`, which stops at the first alias that it cannot resolve and
 * compares every key with every other: here each mistake is told with its place, and an alias bomb ends at a limit.
 */
import * as yaml from 'yaml';
import { NESTING_MAX, NODES_MAX } from './limits.ts';
import { formatPath, quote, type Finding, type Position, type SettingPath } from './problems.ts';

/** A problem in the text itself, where there is no setting to name. */
export interface SyntaxFinding extends Position {
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

export interface ConfigDocument {
  /** Objects without a prototype, arrays, strings, numbers, booleans and null. Undefined when the text is not YAML. */
  readonly value: unknown;
  readonly findings: readonly SyntaxFinding[];
  /** Where a finding points: its value or key; of what is missing, the nearest name that there is. */
  locate(finding: Pick<Finding, 'path' | 'at'>): Position;
}

const START: Position = { line: 1, column: 1 };

export function parseDocument(text: string): ConfigDocument {
  const lines = new yaml.LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
    resolveKnownTags: false,
    version: '1.2',
  });
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.length > 0) {
    const findings = mistakes.map((mistake) => ({ ...at(mistake.pos[0]), path: '', ...wordSyntax(mistake) }));
    return { value: undefined, findings, locate: () => START };
  }
  const reader = new NodeReader(at);
  const value = reader.read(document.contents, []);
  return { value, findings: reader.findings, locate: (finding) => reader.locate(finding) };
}

function wordSyntax(mistake: yaml.YAMLError): { message: string; fix: string } {
  const told = SYNTAX_CAUSES[mistake.code] ?? mistake.message.replaceAll(/\s+/g, ' ').replace(/[.:]$/, '');
  return {
    message: `not readable as YAML: ${printable(told)}`,
    fix: SYNTAX_FIXES[mistake.code] ?? SYNTAX_FIX,
  };
}

/** The library quotes the file in some of its messages. */
function printable(message: string): string {
  return quote(message, SYNTAX_MESSAGE_MAX)
    .slice(1, -1)
    .replaceAll(/\\(["\\])/g, '$1');
}

const SYNTAX_MESSAGE_MAX = 120;
/** Where the library's own words are for those who program with it. */
const SYNTAX_CAUSES: Partial<Record<yaml.ErrorCode, string>> = {
  MULTIPLE_DOCS: 'a second document begins',
  NON_STRING_KEY: 'the name is a list or a map',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
};
const SYNTAX_FIX = 'check the indentation, the colons and the quotes here and in the line above';
const SYNTAX_FIXES: Partial<Record<yaml.ErrorCode, string>> = {
  BAD_DQ_ESCAPE: 'use single quotes: in double quotes a backslash begins an escape',
  TAB_AS_INDENT: 'indent with spaces',
  MULTIPLE_DOCS: 'keep one document, without --- between parts',
  NON_STRING_KEY: 'use a name in front of the colon',
  TAG_RESOLVE_FAILED: 'leave the tag out; quote the value if it begins with an exclamation mark',
  RESOURCE_EXHAUSTION: 'nest less deeply',
};

interface Place {
  readonly key: Position | undefined;
  readonly value: Position | undefined;
  /** One value, which may be short for a group of settings. */
  readonly single: boolean;
}

/** One walk over the nodes of a document. */
class NodeReader {
  readonly findings: SyntaxFinding[] = [];
  readonly #at: (offset: number) => Position;
  readonly #places = new Map<string, Place>();
  readonly #anchors = new Map<string, yaml.Node>();
  #nodes = 0;

  constructor(at: (offset: number) => Position) {
    this.#at = at;
  }

  read(node: unknown, path: SettingPath, key?: Position): unknown {
    const value = this.#start(node);
    this.#places.set(placeKey(path), { key, value, single: yaml.isScalar(node) });
    const where = value ?? key ?? START;
    if (++this.#nodes > NODES_MAX) {
      if (this.#nodes === NODES_MAX + 1) this.#refuse(where, path, TOO_MANY);
      return undefined;
    }
    if (path.length > NESTING_MAX) {
      this.#refuse(where, path, TOO_DEEP);
      return undefined;
    }
    if (yaml.isAlias(node)) return this.#readAlias(node, path, where);
    if ((yaml.isScalar(node) || yaml.isCollection(node)) && node.anchor !== undefined) {
      this.#anchors.set(node.anchor, node);
    }
    if (yaml.isMap(node)) return this.#readMap(node, path);
    if (yaml.isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index]));
    return yaml.isScalar(node) ? node.value : null;
  }

  #readAlias(alias: yaml.Alias, path: SettingPath, where: Position): unknown {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) {
      const name = quote(alias.source).slice(1, -1);
      const message = `refers to *${name}, and nothing above it is marked &${name}`;
      this.#refuse(where, path, {
        message,
        fix: `write the value here, or mark it with &${name} before this line`,
      });
      return undefined;
    }
    const place = this.#places.get(placeKey(path));
    const value = this.read(target, path, place?.key);
    // What is wrong with the value as a whole is shown where it is used.
    this.#places.set(placeKey(path), { key: place?.key, value: where, single: yaml.isScalar(target) });
    return value;
  }

  #readMap(map: yaml.YAMLMap, path: SettingPath): unknown {
    const result = Object.create(null) as Record<string, unknown>;
    const first = new Map<string, number>();
    for (const pair of map.items) {
      const name = yaml.isScalar(pair.key) ? String(pair.key.value) : '';
      const position = this.#start(pair.key) ?? START;
      const earlier = first.get(name);
      if (earlier !== undefined || name === '__proto__') {
        this.#refuse(position, [...path, name], earlier === undefined ? RESERVED : duplicate(earlier));
        continue;
      }
      first.set(name, position.line);
      result[name] = this.read(pair.value, [...path, name], position);
    }
    return result;
  }

  #start(node: unknown): Position | undefined {
    if (!yaml.isNode(node) || node.range == null) return undefined;
    // An empty value has no text; its key says more than the gap behind it.
    if (yaml.isScalar(node) && node.range[0] === node.range[1]) return undefined;
    return this.#at(node.range[0]);
  }

  #refuse(where: Position, path: SettingPath, wording: { message: string; fix: string }): void {
    this.findings.push({ ...where, path: formatPath(path), ...wording });
  }

  locate({ path, at }: Pick<Finding, 'path' | 'at'>): Position {
    const place = this.#places.get(placeKey(path));
    if (place !== undefined)
      return (at === 'key' ? place.key : place.value) ?? place.key ?? place.value ?? START;
    if (path.length === 0) return START;
    const above = path.slice(0, -1);
    const single = this.#places.get(placeKey(above))?.single === true;
    return this.locate(single ? { path: above } : { path: above, at: 'key' });
  }
}

const TOO_MANY = {
  message: `the file has more than ${NODES_MAX} values`,
  fix: 'split it, or use fewer aliases',
};
const TOO_DEEP = { message: `is nested more than ${NESTING_MAX} levels deep`, fix: 'nest less deeply' };
const RESERVED = { message: 'cannot be a name', fix: 'choose another name' };

function duplicate(line: number): { message: string; fix: string } {
  return { message: `is there twice, first in line ${line}`, fix: 'keep one of the two' };
}

/** A name cannot hold this character: YAML forbids it. */
function placeKey(path: SettingPath): string {
  return path.join('\u0000');
}
