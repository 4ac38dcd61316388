/** Brings a destination its files where nobody else does. */
import type { LinkConfig } from '../../config/config.ts';
import { decodeStatus } from '../../journal/status-codec.ts';
import type { Log } from '../../platform/log.ts';
import { Fetcher } from '../../transfer/fetcher.ts';
import { LoggedTransport } from '../../transfer/logged-transport.ts';
import { RetryingTransport } from '../../transfer/retrying-transport.ts';
import { ThrottledTransport } from '../../transfer/throttled-transport.ts';
import type { Links } from '../links.ts';
import type { RunningDestination } from '../destination/destination.ts';
import type { World } from '../world.ts';

/** Of the largest segment that a side which took over makes, bytes: as `servingConfig` has it. */
const SEGMENT_SIZE = 8 * 1024 * 1024;

export interface FetchingOptions {
  readonly world: World;
  readonly links: Links;
  readonly log: Log;
  readonly name: string;
  readonly folder: string;
  readonly key: Buffer | undefined;
  readonly destination: RunningDestination;
}

export function startFetching(config: LinkConfig, options: FetchingOptions): Fetcher {
  const { world, links, log, name, folder, key, destination } = options;
  const link = links.of(config, SEGMENT_SIZE);
  const { clock } = world.platform;
  const server = new RetryingTransport(new LoggedTransport(world.transport(config), log, clock), clock);
  const party = { stream: `${name} ← ${config.name}`, weight: config.weight, copying: false };
  const fetcher = new Fetcher(world.platform, log, {
    name: config.name,
    transport: new ThrottledTransport(server, link, () => party),
    hours: link,
    parallel: config.parallel,
    folder,
    received: () => destination.facts().received,
    room: () => destination.room(),
    taking: () => destination.taking(),
    decode: (bytes) => decodeStatus(bytes, key, name),
    onArrived: () => destination.wake(),
  });
  fetcher.start();
  return fetcher;
}
