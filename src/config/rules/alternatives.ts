/** Settings of which one, or at least one, must be there. They are looked for in the file itself: a wrong one counts. Pure. */
import type { LenientFile } from '../lenient.ts';
import type { Finding, SettingPath } from '../problems.ts';
import type { RuleContext } from './context.ts';

interface Alternatives {
  readonly names: readonly string[];
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
const VIEWS: Alternatives = API;
const TRANSPORT: Alternatives = {
  names: ['ftp', 'sftp', 'smb', 'folder'],
  needed: true,
  both: false,
  fix: 'add ftp:, sftp: or smb: with the server, or folder: with a local or mounted path',
};
const PASSWORD: Alternatives = {
  names: ['password-file', 'password-env'],
  needed: true,
  both: false,
  fix: 'add password-file: with a path, or password-env: with the name of an environment variable',
};

/** A key and a password may both be wanted. */
const SFTP_LOGIN: Alternatives = {
  names: ['private-key', 'password-file', 'password-env'],
  needed: true,
  both: true,
  fix: 'add private-key: with a path, or password-file:, or password-env: with the name of an environment variable',
};
const SFTP_PASSWORD: Alternatives = { ...PASSWORD, needed: false };

export function checkAlternatives(file: LenientFile, context: RuleContext): Finding[] {
  const check = (path: SettingPath, alternatives: Alternatives): Finding[] =>
    choose(path, alternatives, context);
  const findings = check(['api'], API);
  for (const [name, group] of Object.entries(file.groups ?? {})) {
    const path = ['groups', name];
    if (group?.nbd !== undefined) findings.push(...check([...path, 'nbd'], NBD));
    if (group !== undefined) findings.push(...check([...path, 'views'], VIEWS));
    if (group?.role === 'destination' && group.login !== undefined) {
      findings.push(...check([...path, 'login'], PASSWORD));
    }
    if (group?.role !== 'source') continue;
    for (const [destination, link] of Object.entries(group.destinations ?? {})) {
      if (link === undefined) continue;
      const at = [...path, 'destinations', destination];
      findings.push(...check(at, TRANSPORT));
      if (link.ftp !== undefined) findings.push(...check([...at, 'ftp'], PASSWORD));
      if (link.smb !== undefined) findings.push(...check([...at, 'smb'], PASSWORD));
      if (link.sftp === undefined) continue;
      findings.push(...check([...at, 'sftp'], SFTP_LOGIN), ...check([...at, 'sftp'], SFTP_PASSWORD));
    }
  }
  return findings;
}

function choose(
  path: SettingPath,
  { names, needed, both, fix }: Alternatives,
  context: RuleContext,
): Finding[] {
  const [first, ...others] = names.filter((name) => context.written([...path, name]));
  if (first === undefined) {
    const [one, two] = names;
    const message =
      names.length > 2 ? `has none of ${names.join(', ')}` : `has neither ${one ?? ''} nor ${two ?? ''}`;
    return needed ? [{ path, at: 'key', message, fix }] : [];
  }
  if (both) return [];
  return others.map((name) => {
    return {
      path: [...path, name],
      at: 'key',
      message: `stands beside ${first}`,
      fix: 'keep one of the two',
    };
  });
}
