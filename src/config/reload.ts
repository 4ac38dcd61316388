/** A running daemon's configuration read again: what changed, and whether that can be done without a restart. */
import { OperatorError } from '../platform/errors.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';
import { isSettings } from './lenient.ts';
import type { LoadedConfig, LoadResult } from './load.ts';
import { describeProblem, formatPath, type SettingPath } from './problems.ts';
import type { Secrets } from './secrets.ts';

export interface Reload {
  readonly config: Config;
  /** The settings that changed, as they are named in the file; none of them needs a restart. */
  readonly changed: readonly string[];
}

export class ReloadableConfig {
  readonly #read: () => LoadResult;
  #running: LoadedConfig;

  constructor(running: LoadedConfig, read: () => LoadResult) {
    this.#running = running;
    this.#read = read;
  }

  /**
   * What it returns is taken for running from now on, once `prepare` took it.
   * @throws OperatorError `CONFIG_INVALID` when there is a mistake in it, `RESTART_NEEDED` with the changes that need one;
   * what `prepare` throws; what runs stays as it is
   */
  reload(prepare: (config: Config) => void): Reload {
    const read = this.#read();
    if ('problems' in read) {
      const [first, ...more] = read.problems;
      const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
      const what = first === undefined ? '' : describeProblem(first);
      throw new OperatorError('CONFIG_INVALID', `the configuration has a mistake${others}: ${what}`, {
        remedy: 'blockferry check shows all of them; the daemon goes on as it was',
      });
    }
    const changes = differences([], this.#running.file, read.file);
    const blocking = [
      ...changes.filter((path) => !isReloadable(path, this.#running.config)).map(formatPath),
      ...secretChanges(this.#running.secrets, read.secrets),
    ];
    if (blocking.length > 0) {
      throw new OperatorError(
        'RESTART_NEEDED',
        `changed, and not without a restart: ${blocking.join(', ')}`,
        {
          remedy: 'restart blockferry, or take these back and reload again; the daemon goes on as it was',
        },
      );
    }
    prepare(read.config);
    this.#running = read;
    return { config: read.config, changed: changes.map(formatPath) };
  }
}

/** Settings of a group that change as it runs. */
const RELOADABLE: ReadonlySet<unknown> = new Set(['quota', 'objective', 'timed-markers']);

/**
 * Schedules, rates, shares, weights, intervals, quotas, objectives, the times of markers and a source's buffer; and links that
 * no stream uses may come and go.
 */
function isReloadable(path: SettingPath, { groups }: Config): boolean {
  if (path[0] === 'transfers' || path[0] === 'links') return true;
  if (path[0] !== 'groups') return false;
  // Whether there is one is another matter: what is shipped then is.
  if (path[2] === 'replication') return path[3] === 'every';
  if (path[2] === 'buffer') return groups.some(({ name, role }) => name === path[1] && role === 'source');
  // Of a volume that is there it says nothing: it may have grown.
  if (path[2] === 'volumes' && path[4] === 'size') return true;
  return RELOADABLE.has(path[2]) || (path[2] === 'destinations' && path[4] === 'weight');
}

/** The settings that differ, defaults included, each as deep as it can be named. */
function differences(path: SettingPath, before: unknown, after: unknown): SettingPath[] {
  if (isSettings(before) && isSettings(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => differences([...path, name], before[name], after[name]));
  }
  return isDeepStrictEqual(before, after) ? [] : [path];
}

/** Settings that name a file as before, which has something else in it now. */
function secretChanges(before: Secrets, after: Secrets): string[] {
  const differing = (one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): string[] =>
    [...one.keys()].filter((path) => other.has(path) && !isDeepStrictEqual(one.get(path), other.get(path)));
  return [
    ...differing(before.keys, after.keys).map((path) => `${path}.key-file`),
    ...differing(before.passwords, after.passwords).map((path) => `${path}.password-file`),
    ...differing(before.certificates, after.certificates),
  ];
}
