/** Names in a request's path. */
import { NAME_PATTERN, NAME_RULE } from '../platform/name-rule.ts';
import { RequestRefused } from './refusals.ts';

export function checkedGroup(name: string): string {
  return checkedName('group', name);
}

export function checkedName(what: string, name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  throw new RequestRefused(
    400,
    'REQUEST_INVALID',
    `${JSON.stringify(name)} cannot be a ${what}'s name`,
    `a ${what}'s name has ${NAME_RULE}`,
  );
}
