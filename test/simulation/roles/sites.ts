/** Two roled groups on simulated machines, and the lines between them: one to the file server, and none to the own depot. */
import type { DestinationGroupConfig, LinkConfig, SourceGroupConfig } from '../../../src/config/config.ts';
import { Links } from '../../../src/daemon/links.ts';
import { RoledGroup } from '../../../src/daemon/roles/roled-group.ts';
import type { World } from '../../../src/daemon/world.ts';
import { STATUS_FILE, STATUS_FOLDER } from '../../../src/journal/names.ts';
import { decodeStatus } from '../../../src/journal/status-codec.ts';
import type { SiteStatus } from '../../../src/journal/status.ts';
import type { Log } from '../../../src/platform/log.ts';
import type { Processes } from '../../../src/platform/processes.ts';
import { DepotTransport } from '../../../src/transfer/depot-transport.ts';
import type { Transport } from '../../../src/transfer/transport.ts';
import { destinationConfig, FOLDER, GROUP, keyOf, sourceConfig } from '../pair/configs.ts';
import { SimulatedTransport, type FileServer } from '../pair/server.ts';
import type { Program } from '../platform/program.ts';
import type { Settings } from '../scenario.ts';
import type { SiteName } from '../steps.ts';
import type { EpochName } from './histories.ts';

/** What a source that says nothing of snapshots keeps as a destination. */
export const SNAPSHOTS_INSIDE = `${FOLDER}/snapshots`;

/** No marker is placed. */
export const NO_PROGRAMS: Processes = { run: () => Promise.reject(new Error('no programs run here')) };

export function configOf(site: SiteName, settings: Settings): SourceGroupConfig | DestinationGroupConfig {
  return site === 'source' ? sourceConfig(settings) : destinationConfig(settings);
}

export async function startRoled(
  site: SiteName,
  settings: Settings,
  { world, log }: { readonly world: World; readonly log: Log },
): Promise<RoledGroup> {
  const config = configOf(site, settings);
  const links = new Links(world.platform.clock, { links: [], groups: [config], transfers: 16 });
  const here = { stateFolder: '/state', platform: 'posix' } as const;
  const group = new RoledGroup(config, { world, links, log, here });
  await group.start();
  return group;
}

/** Where a site looks for the other one's word: on the server, or in its depot. */
export function wordPath(site: SiteName): string {
  return `${FOLDER}/${site === 'source' ? STATUS_FOLDER : 'outbox-status'}/${STATUS_FILE}`;
}

/** The epoch that these bytes say somebody serves in. */
export function servingIn(bytes: Buffer | undefined, settings: Settings): EpochName | undefined {
  if (bytes === undefined) return undefined;
  let status: SiteStatus;
  try {
    status = decodeStatus(bytes, keyOf(settings), GROUP);
  } catch {
    return undefined;
  }
  return status.role === 'source' ? status.epoch : undefined;
}

/** `server`: over the line; `depot`: where the destination's own files are, without one. `heard`: a word was read. */
export function transportOf(
  { transport }: LinkConfig,
  program: Program,
  { server, depot }: { readonly server: FileServer; readonly depot: FileServer },
  heard: (bytes: Buffer) => void,
): Transport {
  return transport.kind === 'depot'
    ? new DepotTransport(new Hearing(depot, program, heard))
    : new Hearing(server, program, heard);
}

class Hearing extends SimulatedTransport {
  readonly #heard: (bytes: Buffer) => void;

  constructor(server: FileServer, program: Program, heard: (bytes: Buffer) => void) {
    super(server, program);
    this.#heard = heard;
  }

  override async readSmall(name: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined> {
    const bytes = await super.readSmall(name, limit, signal);
    if (bytes !== undefined) this.#heard(bytes);
    return bytes;
  }
}
