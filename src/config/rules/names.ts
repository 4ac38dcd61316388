/** What may be called what, and how many there may be. Pure. */
import { NAME_PATTERN, NAME_RULE } from '../../platform/name-rule.ts';
import * as limits from '../limits.ts';
import type { LenientFile, LenientGroup } from '../lenient.ts';
import { quote, type Finding, type SettingPath } from '../problems.ts';

const LETTERS = /^[a-z0-9][a-z0-9._-]*$/;
/** Windows opens a device by these names, whatever is behind a dot. */
const WINDOWS_DEVICES = /^(?:con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)(?:\.|$)/;
const RULE = `use ${NAME_RULE}`;

export function checkNames(file: LenientFile): Finding[] {
  const groups = file.groups ?? {};
  return [
    ...checkSet(['links'], file.links, { what: 'link', max: limits.LINKS_MAX, min: 0 }),
    ...checkSet(['groups'], file.groups, { what: 'consistency group', max: limits.GROUPS_MAX, min: 1 }),
    ...Object.entries(groups).flatMap(([name, group]) =>
      group === undefined ? [] : checkGroup(name, group),
    ),
  ];
}

function checkGroup(name: string, group: LenientGroup): Finding[] {
  const at = ['groups', name];
  const volumes = [...at, 'volumes'];
  const findings = [
    ...checkSet(volumes, group.volumes, { what: 'volume', max: limits.VOLUMES_PER_GROUP_MAX, min: 1 }),
    ...checkEnvironmentNames(volumes, Object.keys(group.volumes ?? {})),
  ];
  if (group.role === 'source') {
    const rule = { what: 'destination', max: limits.DESTINATIONS_PER_GROUP_MAX, min: 1 };
    const timed = { what: 'marker', max: limits.MARKERS_PER_GROUP_MAX, min: 0 };
    return [
      ...findings,
      ...checkSet([...at, 'destinations'], group.destinations, rule),
      ...checkSet([...at, 'timed-markers', 'custom'], group['timed-markers']?.custom, timed),
    ];
  }
  if (group.role !== 'destination') return findings;
  const rule = { what: 'marker', max: limits.MARKERS_PER_GROUP_MAX, min: 0 };
  return [...findings, ...checkSet([...at, 'markers'], group.markers, rule)];
}

interface SetRule {
  readonly what: string;
  readonly min: number;
  readonly max: number;
}

function checkSet(path: SettingPath, set: object | undefined, rule: SetRule): Finding[] {
  if (set === undefined) return [];
  const names = Object.keys(set);
  const findings = names.flatMap((name) => checkName([...path, name], name, rule.what));
  if (names.length < rule.min) {
    findings.push({ path, at: 'key', message: 'is empty', fix: `write at least one ${rule.what} below it` });
  }
  if (names.length > rule.max) {
    const message = `has ${names.length} ${rule.what}s`;
    findings.push({ path, at: 'key', message, fix: `keep at most ${rule.max}` });
  }
  return findings;
}

function checkName(path: SettingPath, name: string, what: string): Finding[] {
  const wrong = whatIsWrong(name);
  if (wrong === undefined) return [];
  return [
    { path, at: 'key', message: `${quote(name)} cannot name a ${what}: it ${wrong.cause}`, fix: wrong.fix },
  ];
}

/** Why {@link NAME_PATTERN} does not take it. */
function whatIsWrong(name: string): { cause: string; fix: string } | undefined {
  if (NAME_PATTERN.test(name)) return undefined;
  if (name.length > limits.NAME_LENGTH_MAX) return { cause: `has ${name.length} characters`, fix: RULE };
  if (name === '') return { cause: 'is empty', fix: RULE };
  if (WINDOWS_DEVICES.test(name.toLowerCase())) {
    return { cause: 'is a device on Windows and could not be a folder there', fix: 'choose another name' };
  }
  if (NAME_PATTERN.test(name.toLowerCase())) {
    return { cause: 'has upper-case letters', fix: `write ${name.toLowerCase()}` };
  }
  if (LETTERS.test(name)) return { cause: 'ends with a dot, which Windows drops', fix: 'leave the dot out' };
  return { cause: 'has characters that a folder’s name cannot have everywhere', fix: RULE };
}

/** The part of an environment variable's name that stands for a volume. */
export function environmentForm(volume: string): string {
  return volume.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
}

/** Marker programs find a volume's path in BLOCKFERRY_VOLUME_<NAME>. */
function checkEnvironmentNames(path: SettingPath, volumes: readonly string[]): Finding[] {
  const first = new Map<string, string>();
  return volumes.flatMap((name): Finding[] => {
    const form = environmentForm(name);
    const earlier = first.get(form);
    first.set(form, earlier ?? name);
    if (earlier === undefined) return [];
    return [
      {
        path: [...path, name],
        at: 'key',
        message: `is the same as ${quote(earlier)} to a marker program: both are BLOCKFERRY_VOLUME_${form}`,
        fix: 'choose names that differ in a letter or digit',
      },
    ];
  });
}
