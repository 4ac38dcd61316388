/** What runs on this side of a group: the source, or a destination and what brings it its files. */
import type { DestinationGroupConfig, SourceGroupConfig } from '../../config/config.ts';
import type { FollowingConfig, Here } from '../../config/reverse.ts';
import type { EpochIdentity } from '../../journal/ids.ts';
import type { Role, Takeover } from '../../journal/role-file.ts';
import type { Log } from '../../platform/log.ts';
import type { Fetcher } from '../../transfer/fetcher.ts';
import { startDestination, type RunningDestination } from '../destination/destination.ts';
import type { Links } from '../links.ts';
import type { RunningSource } from '../source/running-source.ts';
import { startSource } from '../source/source.ts';
import type { World } from '../world.ts';
import { startFetching } from './fetching.ts';
import { readResync } from './resync-file.ts';
import { readRollback } from './rollback-file.ts';
import { writeServingWord } from './serving-word.ts';

export type GroupConfig = SourceGroupConfig | DestinationGroupConfig;

export interface RoledGroupOptions {
  readonly world: World;
  readonly links: Links;
  readonly log: Log;
  readonly here: Here;
}

export type Part =
  | { readonly kind: 'source'; readonly group: RunningSource }
  | {
      readonly kind: 'destination';
      readonly group: RunningDestination;
      readonly fetcher: Fetcher | undefined;
    };

export interface AsSource {
  readonly config: SourceGroupConfig;
  readonly role: Role;
  /** The other side looks here for this one's word by itself. */
  readonly hasDepot: boolean;
  readonly onDeposed: (by: Takeover) => void;
  readonly onLost: () => void;
  readonly onAgreed: () => void;
}

/** @throws OperatorError as `startSource` does */
export async function startSourcePart(
  { config, role, hasDepot, ...heard }: AsSource,
  { world, links, log }: RoledGroupOptions,
): Promise<Extract<Part, { kind: 'source' }>> {
  const takeover = role.kind === 'source' || role.kind === 'handing-over' ? role.takeover : undefined;
  const word = takeover && writeServingWord(world.platform, config, takeover);
  const group = await startSource(config, log, world, links, {
    serves: role.kind === 'source',
    brings: role.kind === 'source' || role.kind === 'handing-over',
    rollback: role.kind === 'source' ? readRollback(world.platform.files, config.folder) : undefined,
    announcement: hasDepot ? undefined : word,
    ...heard,
  });
  return { kind: 'source', group };
}

/** @throws OperatorError as `startDestination` does */
export async function startDestinationPart(
  { group: config, fetch }: FollowingConfig,
  { world, links, log }: RoledGroupOptions,
  onHandover: (epoch: EpochIdentity) => void,
): Promise<Part> {
  const { name, folder, key } = config;
  const resync = readResync(world.platform.files, folder);
  const group = await startDestination(config, log, world, { resync, onHandover });
  const fetcher = fetch && startFetching(fetch, { world, links, log, name, folder, key, destination: group });
  return { kind: 'destination', group, fetcher };
}
