/** File → checked configuration, or everything that is wrong with it, each with its place, cause and fix. */
import { isUtf8 } from 'node:buffer';
import { buildConfig } from './build.ts';
import type { Config } from './config.ts';
import { parseDocument, type ConfigDocument } from './document.ts';
import { readLeniently } from './lenient.ts';
import { CONFIG_FILE_MAX, PROBLEMS_MAX } from './limits.ts';
import {
  comparePositions,
  formatPath,
  type Finding,
  type Position,
  type Problem,
  type SettingPath,
} from './problems.ts';
import { checkAlternatives } from './rules/alternatives.ts';
import { PATH_RULES, type RuleContext } from './rules/context.ts';
import { checkLinks } from './rules/links.ts';
import { checkNames } from './rules/names.ts';
import { checkNetwork } from './rules/network.ts';
import { checkPlaces } from './rules/places.ts';
import { checkSettings } from './rules/settings.ts';
import { fileSchema, type ConfigFile } from './schema.ts';
import { readSecrets, type Secrets, type SecretSources } from './secrets.ts';
import { schemaFindings, valueAt } from './wording.ts';
import { nodeConfigWorld } from './world.ts';

export type LoadResult = LoadedConfig | { readonly problems: readonly Problem[] };

export interface LoadedConfig {
  readonly config: Config;
  /** The settings that it was made from, with their defaults, and the secrets. */
  readonly file: ConfigFile;
  readonly secrets: Secrets;
  /** A problem that only came to light behind the file, at its setting. */
  readonly place: (finding: Finding) => Problem;
}

/**
 * Reads the file and the secrets that it names. Paths in it are relative to its folder. Never throws: what cannot be
 * read is a problem too. At most {@link PROBLEMS_MAX} are told, in the order of the file.
 */
export function loadConfig(path: string, options: Partial<SecretSources> = {}): LoadResult {
  const { env = process.env, world = nodeConfigWorld } = options;
  const read = world.readFile(path, CONFIG_FILE_MAX);
  if (read.kind === 'failed') {
    return unreadable(
      path,
      `${path} ${read.reason}`,
      'name the configuration file, and see that this user may read it',
    );
  }
  const encoding = whatElseThanUtf8(read.content);
  if (encoding !== undefined) return unreadable(path, `is ${encoding}`, 'save it as UTF-8');
  return check(path, read.content.toString('utf8'), { env, world });
}

function unreadable(file: string, message: string, fix: string): LoadResult {
  return { problems: [{ file, line: 1, column: 1, path: '', message, fix }] };
}

function whatElseThanUtf8(content: Buffer): string | undefined {
  const [first, second] = content;
  // What Windows PowerShell's > and old editors write.
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return 'UTF-16 text';
  return isUtf8(content) ? undefined : 'not UTF-8 text';
}

function check(file: string, text: string, sources: SecretSources): LoadResult {
  const { platform } = sources.world;
  const document = parseDocument(text);
  const place = (finding: Finding): Problem => placeFinding(file, document, finding);
  const inText = document.findings.map((finding) => ({ file, ...finding }));
  if (document.value === undefined) return { problems: inOrder(inText) };

  const rules = PATH_RULES[platform];
  const schema = fileSchema({ folder: rules.dirname(rules.resolve(file)), platform });
  const lenient = readLeniently(schema, document.value);
  const context: RuleContext = {
    platform,
    written: (path: SettingPath) => valueAt(document.value, path) !== undefined,
    identity: (path: string) => sources.world.identity(path),
  };
  const { secrets, findings } = readSecrets(lenient, sources);
  const ofSettings = [
    ...schemaFindings(schema, document.value),
    ...checkNames(lenient),
    ...checkAlternatives(lenient, context),
    ...checkSettings(lenient, context),
    ...checkPlaces(lenient, context),
    ...checkNetwork(lenient, context),
    ...checkLinks(lenient, context),
    ...findings,
  ].map(place);
  // A value that cannot be read at all is not missing as well.
  const told = new Set(inText.map((problem) => problem.path));
  const problems = [...inText, ...ofSettings.filter((problem) => !told.has(problem.path))];
  if (problems.length > 0) return { problems: inOrder(problems) };
  const settings = schema.parse(document.value);
  return { config: buildConfig(settings, { secrets, platform }), file: settings, secrets, place };
}

function placeFinding(file: string, document: ConfigDocument, finding: Finding): Problem {
  const position: Position = document.locate(finding);
  const { path, message, fix } = finding;
  return { file, ...position, path: formatPath(path), message, fix };
}

function inOrder(problems: readonly Problem[]): Problem[] {
  const sorted = problems.toSorted(comparePositions);
  const last = sorted[PROBLEMS_MAX - 1];
  if (last === undefined || sorted.length === PROBLEMS_MAX) return sorted;
  const message = `and ${sorted.length - PROBLEMS_MAX + 1} more`;
  return [
    ...sorted.slice(0, PROBLEMS_MAX - 1),
    { ...last, path: '', message, fix: 'correct those above first' },
  ];
}
