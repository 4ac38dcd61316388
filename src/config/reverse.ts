/**
 * What a group is on this side when its part is the other one: everything follows from the part that the file gives it, so
 * that nothing has to be written on the day. Pure.
 */
import type { DestinationGroupConfig, LinkConfig, SnapshotsConfig, SourceGroupConfig } from './config.ts';
import { defaultViewsSocket, PATH_RULES } from './rules/context.ts';

type GroupConfig = SourceGroupConfig | DestinationGroupConfig;

/** A group as a destination. `fetch`: its files are not brought but fetched, over this. */
export interface FollowingConfig {
  readonly group: DestinationGroupConfig;
  readonly fetch: LinkConfig | undefined;
}

/** Where this side is. */
export interface Here {
  readonly stateFolder: string;
  readonly platform: 'posix' | 'win32';
}

const MIB = 1024 * 1024;
const CONNECTIONS = 64;

/**
 * As the source, whether the file calls it that or not. `hasFollowed`: it was a destination, whose snapshots are to stay what
 * they are (I7).
 */
export function servingConfig(config: GroupConfig, here: Here, hasFollowed: boolean): SourceGroupConfig {
  if (config.role === 'source') {
    if (config.ownSnapshots !== undefined || !hasFollowed) return config;
    return { ...config, ownSnapshots: snapshotsOf(config, here) };
  }
  const { name, folder, quota, objective, key, volumes, nbd } = config;
  const { snapshotFolder, retention, timedSnapshots, views } = config;
  return {
    role: 'source',
    name,
    folder,
    quota,
    objective,
    key,
    volumes,
    nbd,
    ownSnapshots: { snapshotFolder, retention, timedSnapshots, views },
    segment: { size: 8 * MIB, age: 2000, compression: 1, dropOverwritten: false },
    whenFull: 'change-map',
    initialCopy: 'send',
    replicateEvery: undefined,
    coalesce: true,
    verifyEvery: undefined,
    timedMarkers: [],
    destinations: [
      {
        name: 'other-side',
        transport: { kind: 'depot', path: folder },
        parallel: 2,
        link: undefined,
        weight: 1,
      },
    ],
  };
}

/** As a destination. */
export function followingConfig(config: GroupConfig, here: Here): FollowingConfig {
  if (config.role === 'destination') return { group: config, fetch: undefined };
  const { name, folder, quota, objective, key, volumes, nbd, destinations, ownSnapshots } = config;
  const group: DestinationGroupConfig = {
    role: 'destination',
    name,
    folder,
    quota,
    objective,
    key,
    volumes,
    nbd,
    ...(ownSnapshots ?? snapshotsOf(config, here)),
    retain: undefined,
    rehearsal: undefined,
    markers: [],
    login: undefined,
  };
  return { group, fetch: destinations[0] };
}

/** Where a source that says nothing of snapshots keeps those that it makes as a destination. */
function snapshotsOf({ name, folder }: SourceGroupConfig, here: Here): SnapshotsConfig {
  const rules = PATH_RULES[here.platform];
  const path = defaultViewsSocket(here.stateFolder, name, here.platform);
  const address =
    path === undefined
      ? ({ kind: 'tcp', host: '127.0.0.1', port: 0 } as const)
      : ({ kind: 'socket', path } as const);
  const scratch = { folder: rules.join(folder, 'scratch'), size: 10 * 1024 * MIB };
  return {
    snapshotFolder: rules.join(folder, 'snapshots'),
    retention: undefined,
    timedSnapshots: undefined,
    views: { address, connections: CONNECTIONS, scratch },
  };
}
