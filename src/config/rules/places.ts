/** No two things in one place: folders, volumes, snapshots, and the folders at the far end. Pure. */
import type { LenientFile, LenientGroup } from '../lenient.ts';
import { formatPath, type Finding, type SettingPath } from '../problems.ts';
import { groupFolder, PATH_RULES, scratchFolder, snapshotFolder, type RuleContext } from './context.ts';

interface Place {
  readonly path: SettingPath;
  /** Equal for what is in the same place. */
  readonly place: string;
}

export function checkPlaces(file: LenientFile, context: RuleContext): Finding[] {
  const groups = Object.entries(file.groups ?? {}).flatMap(([name, group]) => {
    return group === undefined ? [] : [{ name, group, path: ['groups', name] }];
  });
  const volumes = groups.flatMap((entry) => volumePlaces(entry, context));
  const folders = groups.flatMap((entry) => folderPlaces(entry, context));
  const links = groups.flatMap((entry) => linkPlaces(entry, context));
  return [
    ...twice(volumes, (earlier) => ({
      message: `is the same file or device as ${earlier}`,
      fix: 'give every volume a file or device of its own',
    })),
    ...nested(folders, context),
    ...twice(links, (earlier) => ({
      message: `is the same folder as ${earlier}, and two streams in one would mix`,
      fix: 'give every group and destination a folder of its own',
    })),
    ...twice(groups.flatMap(loginPlaces), (earlier) => ({
      message: `is also ${earlier}, and a login fills one group`,
      fix: 'give every group a user of its own',
    })),
    ...intoOwnFolder(folders, links),
  ];
}

interface GroupEntry {
  readonly name: string;
  readonly group: LenientGroup;
  readonly path: SettingPath;
}

function volumePlaces({ group, path }: GroupEntry, context: RuleContext): Place[] {
  return Object.entries(group.volumes ?? {}).flatMap(([name, volume]) => {
    if (volume?.path === undefined) return [];
    return [{ path: [...path, 'volumes', name, 'path'], place: context.identity(volume.path) }];
  });
}

function folderPlaces({ name, group, path }: GroupEntry, context: RuleContext): Place[] {
  const { buffer } = group;
  if (buffer === undefined) return [];
  const { platform } = context;
  const places = [
    { path: [...path, 'buffer'], place: pathForm(groupFolder(buffer, name, platform), context) },
  ];
  if (group.snapshots !== undefined) {
    const folder = snapshotFolder({ name, buffer, snapshots: group.snapshots }, platform);
    places.push({ path: [...path, 'snapshots'], place: pathForm(folder, context) });
  }
  if (group.views?.scratch !== undefined) {
    const folder = scratchFolder({ name, buffer, views: { scratch: group.views.scratch } }, platform);
    places.push({ path: [...path, 'views', 'scratch'], place: pathForm(folder, context) });
  }
  return places;
}

function linkPlaces({ group, path }: GroupEntry, context: RuleContext): Place[] {
  if (group.role !== 'source') return [];
  return Object.entries(group.destinations ?? {}).flatMap(([name, link]): Place[] => {
    const at = [...path, 'destinations', name];
    if (link?.folder !== undefined)
      return [{ path: [...at, 'folder'], place: pathForm(link.folder, context) }];
    return (['ftp', 'sftp', 'smb'] as const).flatMap((protocol): Place[] => {
      const server = link?.[protocol];
      if (server?.host === undefined || server.path === undefined) return [];
      // The same folder may be another one to another user.
      const address = `${server.user ?? ''}@${server.host.toLowerCase()}:${server.port ?? ''}`;
      const share = 'share' in server ? `/${server.share?.toLowerCase() ?? ''}` : '';
      return [{ path: [...at, protocol, 'path'], place: `${protocol}://${address}${share}${server.path}` }];
    });
  });
}

function loginPlaces({ group, path }: GroupEntry): Place[] {
  if (group.role !== 'destination' || group.login?.user === undefined) return [];
  return [{ path: [...path, 'login', 'user'], place: group.login.user }];
}

type Wording = (earlier: string) => { readonly message: string; readonly fix: string };

function twice(places: readonly Place[], word: Wording): Finding[] {
  const first = new Map<string, SettingPath>();
  return places.flatMap(({ path, place }) => {
    const earlier = first.get(place);
    if (earlier !== undefined) return [{ path, ...word(formatPath(earlier)) }];
    first.set(place, path);
    return [];
  });
}

/** One folder that is, or lies in, another. */
function nested(places: readonly Place[], context: RuleContext): Finding[] {
  const { sep } = PATH_RULES[context.platform];
  return places.flatMap((inner, index) =>
    places.flatMap((outer, outerIndex): Finding[] => {
      if (outerIndex === index) return [];
      const same = inner.place === outer.place && outerIndex < index;
      if (!same && !inner.place.startsWith(outer.place + sep)) return [];
      const message = `makes the folder ${inner.place}, which is ${same ? '' : 'inside '}that of ${formatPath(outer.path)}`;
      return [{ path: inner.path, message, fix: 'choose folders that lie side by side' }];
    }),
  );
}

function intoOwnFolder(folders: readonly Place[], links: readonly Place[]): Finding[] {
  return links.flatMap(({ path, place }) => {
    const own = folders.find((folder) => folder.place === place && folder.path[1] === path[1]);
    if (own === undefined) return [];
    return [
      {
        path,
        message: 'is the source group’s own folder',
        fix: 'write the folder of the group at the destination',
      },
    ];
  });
}

/** Windows takes letters of either case for the same. */
function pathForm(path: string, context: RuleContext): string {
  return context.platform === 'win32' ? path.toLowerCase() : path;
}
