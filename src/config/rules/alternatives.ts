/** Settings of which one, or at least one, must be there. They are looked for in the file itself: a wrong one counts. Pure. */
import type { LenientFile } from '../lenient.ts';
import type { Finding, SettingPath } from '../problems.ts';
import type { RuleContext } from './context.ts';

interface Alternatives {
  readonly names: readonly [string, string];
  readonly needed: boolean;
  readonly both: boolean;
  /** What to add when none is there. */
  readonly fix: string;
}

const API: Alternatives = { names: ['socket', 'listen'], needed: false, both: false, fix: '' };
const NBD: Alternatives = {
  names: ['socket', 'listen'],
  needed: true,
  both: true,
  fix: 'add socket: with a path, or listen: 127.0.0.1:10809',
};
const TRANSPORT: Alternatives = {
  names: ['ftp', 'folder'],
  needed: true,
  both: false,
  fix: 'add ftp: with the server, or folder: with a local or mounted path',
};
const PASSWORD: Alternatives = {
  names: ['password-file', 'password-env'],
  needed: true,
  both: false,
  fix: 'add password-file: with a path, or password-env: with the name of an environment variable',
};

export function checkAlternatives(file: LenientFile, context: RuleContext): Finding[] {
  const check = (path: SettingPath, alternatives: Alternatives): Finding[] =>
    choose(path, alternatives, context);
  const findings = check(['api'], API);
  for (const [name, group] of Object.entries(file.groups ?? {})) {
    const path = ['groups', name];
    if (group?.role === 'destination' && group.login !== undefined) {
      findings.push(...check([...path, 'login'], PASSWORD));
    }
    if (group?.role !== 'source') continue;
    if (group.nbd !== undefined) findings.push(...check([...path, 'nbd'], NBD));
    for (const [destination, link] of Object.entries(group.destinations ?? {})) {
      if (link === undefined) continue;
      const at = [...path, 'destinations', destination];
      findings.push(...check(at, TRANSPORT));
      if (link.ftp !== undefined) findings.push(...check([...at, 'ftp'], PASSWORD));
    }
  }
  return findings;
}

function choose(
  path: SettingPath,
  { names, needed, both, fix }: Alternatives,
  context: RuleContext,
): Finding[] {
  const [first, second] = names;
  const [hasFirst, hasSecond] = [context.written([...path, first]), context.written([...path, second])];
  if (hasFirst && hasSecond && !both) {
    return [
      { path: [...path, second], at: 'key', message: `stands beside ${first}`, fix: 'keep one of the two' },
    ];
  }
  if (hasFirst || hasSecond || !needed) return [];
  return [{ path, at: 'key', message: `has neither ${first} nor ${second}`, fix }];
}
