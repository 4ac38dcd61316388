import { posix, win32 } from 'node:path';
import type { SettingPath } from '../problems.ts';

/** What the rules know beside the settings. */
export interface RuleContext {
  readonly platform: 'posix' | 'win32';
  /** Whether the file has anything for a setting, right or wrong. */
  written(path: SettingPath): boolean;
  /** The same for two paths exactly when they lead to the same file or device. */
  identity(path: string): string;
}

export const PATH_RULES = { posix, win32 } as const;

/** Where the API listens when the file does not say; Windows has a port of the system's choice instead. */
export function defaultApiSocket(stateFolder: string, platform: RuleContext['platform']): string | undefined {
  return platform === 'win32' ? undefined : posix.join(stateFolder, 'api.sock');
}

/** Where a group's mounts are served when the file does not say; Windows has a port of the system's choice instead. */
export function defaultViewsSocket(
  stateFolder: string,
  group: string,
  platform: RuleContext['platform'],
): string | undefined {
  return platform === 'win32' ? undefined : posix.join(stateFolder, `${group}.views.sock`);
}

/** Where hosts find a group whose side has taken over, when the file does not say; Windows has NBD's own port instead. */
export function defaultNbdSocket(
  stateFolder: string,
  group: string,
  platform: RuleContext['platform'],
): string | undefined {
  return platform === 'win32' ? undefined : posix.join(stateFolder, `${group}.nbd.sock`);
}

/** `<buffer>/<group>`. */
export function groupFolder(buffer: string, group: string, platform: RuleContext['platform']): string {
  return PATH_RULES[platform].join(buffer, group);
}

/** Where a group's snapshots are: in the folder given for them, else in the group's own. */
export function snapshotFolder(
  group: { readonly name: string; readonly buffer: string; readonly snapshots: string | undefined },
  platform: RuleContext['platform'],
): string {
  const rules = PATH_RULES[platform];
  if (group.snapshots !== undefined) return rules.join(group.snapshots, group.name);
  return rules.join(groupFolder(group.buffer, group.name, platform), 'snapshots');
}

/** Where what is written to a group's mounts is: as the snapshots, in the folder given for it or in the group's own. */
export function scratchFolder(
  group: {
    readonly name: string;
    readonly buffer: string;
    readonly views: { readonly scratch?: string | undefined };
  },
  platform: RuleContext['platform'],
): string {
  const rules = PATH_RULES[platform];
  if (group.views.scratch !== undefined) return rules.join(group.views.scratch, group.name);
  return rules.join(groupFolder(group.buffer, group.name, platform), 'scratch');
}
