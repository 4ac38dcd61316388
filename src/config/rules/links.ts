/** Links and the streams that share them. Pure. */
import type { LenientFile } from '../lenient.ts';
import { WINDOWS_PER_SCHEDULE_MAX } from '../limits.ts';
import { quote, type Finding, type SettingPath } from '../problems.ts';
import type { ConfigFile } from '../schema.ts';
import { nearest } from '../wording.ts';
import type { RuleContext } from './context.ts';

type WindowFile = NonNullable<ConfigFile['links'][string]['schedule']>['windows'][number];

export function checkLinks(file: LenientFile, context: RuleContext): Finding[] {
  return [
    ...Object.entries(file.links ?? {}).flatMap(([name, link]) =>
      checkWindows(['links', name, 'schedule', 'windows'], link?.schedule?.windows ?? []),
    ),
    ...checkStreams(file, context),
  ];
}

function checkWindows(path: SettingPath, windows: readonly WindowFile[]): Finding[] {
  const empty = windows.flatMap(({ from, to }, index): Finding[] => {
    if (from !== to) return [];
    const fix = 'leave both out, or write 00:00 and 24:00, for the whole day; else leave the window out';
    return [{ path: [...path, index], message: 'ends when it begins, so it never holds', fix }];
  });
  if (windows.length <= WINDOWS_PER_SCHEDULE_MAX) return empty;
  const message = `has ${windows.length} windows`;
  return [...empty, { path, at: 'key', message, fix: `keep at most ${WINDOWS_PER_SCHEDULE_MAX}` }];
}

function checkStreams(file: LenientFile, context: RuleContext): Finding[] {
  const known = Object.keys(file.links ?? {});
  return Object.entries(file.groups ?? {}).flatMap(([groupName, group]): Finding[] => {
    if (group?.role !== 'source') return [];
    return Object.entries(group.destinations ?? {}).flatMap(([name, link]): Finding[] => {
      const path = ['groups', groupName, 'destinations', name];
      const wanted = link?.link;
      if (wanted === undefined) {
        if (!context.written([...path, 'weight']) || context.written([...path, 'link'])) return [];
        const message = 'has nobody to be weighed against: there is no link that it shares';
        return [{ path: [...path, 'weight'], at: 'key', message, fix: 'add link:, or leave it out' }];
      }
      if (known.includes(wanted)) return [];
      const near = nearest(wanted, known);
      const fix =
        near === undefined
          ? `add ${quote(wanted)} below links:, at the top of the file`
          : `did you mean ${quote(near)}?`;
      return [{ path: [...path, 'link'], message: `${quote(wanted)} is none of the links`, fix }];
    });
  });
}
