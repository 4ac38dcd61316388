/** A scenario as the two daemons' configurations. */
import type {
  DestinationGroupConfig,
  SnapshotsConfig,
  SourceGroupConfig,
  VolumeConfig,
} from '../../../src/config/config.ts';
import type { LinksConfig } from '../../../src/daemon/links.ts';
import { PROGRAM_NAMES, type Settings } from '../scenario.ts';

export const GROUP = 'g';
/** The group's folder, on either site. */
export const FOLDER = '/buffer/g';
/** Where the source's may be moved to. */
export const OTHER_FOLDER = '/other/g';
const LINE = 'line';
export const SNAPSHOTS = '/snapshots/g';
const KEY = Buffer.alloc(32, 7);

const SNAPSHOT_SETTINGS: SnapshotsConfig = {
  snapshotFolder: SNAPSHOTS,
  retention: undefined,
  timedSnapshots: undefined,
  views: {
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    connections: 4,
    scratch: { folder: '/scratch', size: 2 ** 30 },
  },
};

export const volumePath = (index: number): string => `/volumes/v${index}.img`;

export function keyOf({ keyed }: Settings): Buffer | undefined {
  return keyed ? KEY : undefined;
}

export function placedVolumes({ volumes }: Settings): (VolumeConfig & { readonly size: number })[] {
  return volumes.map((size, index) => ({ name: `v${index}`, path: volumePath(index), size }));
}

export function sourceConfig(scenario: Settings): SourceGroupConfig {
  const { segmentSize, segmentAge, compression, dropOverwritten, whenFull, sourceQuota, parallel } = scenario;
  return {
    role: 'source',
    name: GROUP,
    folder: FOLDER,
    quota: sourceQuota,
    objective: undefined,
    replicateEvery: scenario.every,
    verifyEvery: undefined,
    key: keyOf(scenario),
    volumes: placedVolumes(scenario),
    segment: { size: segmentSize, age: segmentAge, compression, dropOverwritten },
    coalesce: true,
    initialCopy: scenario.initialCopy,
    timedMarkers: [],
    ownSnapshots: scenario.own && SNAPSHOT_SETTINGS,
    whenFull,
    nbd: { socket: '/simulated', tcp: undefined, connections: 16 },
    destinations: [
      {
        name: 'there',
        transport: { kind: 'folder', path: FOLDER },
        parallel,
        link: scenario.week === undefined ? undefined : LINE,
        weight: 1,
      },
    ],
  };
}

export function linksConfig(scenario: Settings): LinksConfig {
  const { week, parallel } = scenario;
  const links = week === undefined ? [] : [{ name: LINE, week, files: parallel, copyShare: 0.5 }];
  return { links, groups: [sourceConfig(scenario)], transfers: 16 };
}

export function destinationConfig(scenario: Settings): DestinationGroupConfig {
  return {
    role: 'destination',
    name: GROUP,
    folder: FOLDER,
    quota: scenario.destinationQuota,
    objective: undefined,
    key: keyOf(scenario),
    volumes: placedVolumes(scenario),
    markers: PROGRAM_NAMES.map((name) => ({ name, run: [name], timeLimit: 1500, wait: name === 'backup' })),
    ...SNAPSHOT_SETTINGS,
    retain: scenario.retain,
    rehearsal: undefined,
    nbd: { socket: '/simulated', tcp: undefined, connections: 16 },
    login: undefined,
  };
}
