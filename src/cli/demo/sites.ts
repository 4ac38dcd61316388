/** The demo's two sites: their configurations, on loopback, in one temporary folder. */
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Config, DestinationGroupConfig, SourceGroupConfig } from '../../config/config.ts';

export const GROUP = 'demo';
export const VOLUMES = ['files', 'table'] as const;
export const VOLUME_SIZE = 32 * 1024 * 1024;
export const MARKER_PROGRAM = 'weekly-report';
const GIB = 1024 ** 3;

export interface DemoPlaces {
  readonly folder: string;
  readonly key: Buffer;
  readonly password: string;
  /** The custom marker's program adds a line to it each time it runs. */
  readonly markerRuns: string;
}

export const volumePath = (places: DemoPlaces, site: 'source' | 'destination', volume: string): string =>
  join(places.folder, site, `${volume}.raw`);
export const snapshotFolder = (places: DemoPlaces): string => join(places.folder, 'destination', 'snapshots');

export async function destinationConfig(places: DemoPlaces): Promise<Config> {
  const site = join(places.folder, 'destination');
  const group: DestinationGroupConfig = {
    role: 'destination',
    name: GROUP,
    folder: join(site, 'buffer', GROUP),
    quota: GIB,
    objective: undefined,
    key: places.key,
    volumes: VOLUMES.map((name) => ({
      name,
      path: volumePath(places, 'destination', name),
      size: undefined,
    })),
    retention: undefined,
    timedSnapshots: undefined,
    rehearsal: undefined,
    retain: undefined,
    nbd: { socket: join(places.folder, 'taken-over.sock'), tcp: undefined, connections: 16 },
    views: {
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      connections: 4,
      scratch: { folder: join(site, 'scratch'), size: 2 ** 30 },
    },
    snapshotFolder: snapshotFolder(places),
    markers: [
      {
        name: MARKER_PROGRAM,
        run: [
          process.execPath,
          '-e',
          'require("node:fs").appendFileSync(process.argv[1], process.env.BLOCKFERRY_MARKER_ID + "\\n")',
          places.markerRuns,
        ],
        timeLimit: 30_000,
        wait: true,
      },
    ],
    login: { user: GROUP, password: places.password },
  };
  const passive = await freePort();
  return {
    ...common(site, await freePort()),
    receiver: {
      host: '127.0.0.1',
      port: 0,
      passivePorts: { first: passive, last: Math.min(65_535, passive + 31) },
      publicAddress: undefined,
      tls: undefined,
      allowPlain: false,
      connections: 16,
    },
    groups: [group],
  };
}

export async function sourceConfig(
  places: DemoPlaces,
  nbdPort: number,
  receiverPort: number,
): Promise<Config> {
  const site = join(places.folder, 'source');
  const group: SourceGroupConfig = {
    role: 'source',
    name: GROUP,
    folder: join(site, 'buffer', GROUP),
    quota: GIB,
    objective: undefined,
    key: places.key,
    volumes: VOLUMES.map((name) => ({ name, path: volumePath(places, 'source', name), size: VOLUME_SIZE })),
    segment: { size: 4 * 1024 * 1024, age: 500, compression: 1, dropOverwritten: false },
    coalesce: false,
    initialCopy: 'send',
    replicateEvery: undefined,
    verifyEvery: undefined,
    timedMarkers: [],
    ownSnapshots: undefined,
    whenFull: 'refuse-writes',
    nbd: { socket: undefined, tcp: { host: '127.0.0.1', port: nbdPort }, connections: 8 },
    destinations: [
      {
        name: 'second-site',
        parallel: 2,
        link: undefined,
        weight: 1,
        transport: {
          kind: 'ftp',
          host: '127.0.0.1',
          port: receiverPort,
          user: GROUP,
          password: places.password,
          path: '/',
          tls: 'none',
          certificateAuthority: undefined,
          fingerprint: undefined,
          timeout: 15_000,
        },
      },
    ],
  };
  return { ...common(site, await freePort()), receiver: undefined, groups: [group] };
}

function common(
  site: string,
  apiPort: number,
): Pick<Config, 'stateFolder' | 'alarms' | 'log' | 'api' | 'transfers' | 'links'> {
  const file = join(site, 'blockferry.log');
  return {
    stateFolder: join(site, 'state'),
    transfers: 8,
    alarms: undefined,
    links: [],
    log: { level: 'info', file, size: 10 * 1024 * 1024, files: 2 },
    api: { kind: 'tcp', host: '127.0.0.1', port: apiPort },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
