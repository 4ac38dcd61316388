/** Groups on Node: real threads, files and file servers. */
import { nodePlatform } from '../platform/node/platform.ts';
import { ThreadPool } from '../platform/node/threads.ts';
import type { DestinationWorkerOptions, SourceThreadOptions } from './build-threads.ts';
import type { DestinationWorker } from './destination/destination-worker.ts';
import { lockGroup } from './running-group.ts';
import type { SourceHost, SourceHostOptions } from './source/source-host.ts';
import type { SourceWorker } from './source-back/source-worker.ts';
import { transportOf } from './transports.ts';
import { watch } from './watch.ts';
import type { Threads, World } from './world.ts';

/** Threads of each kind at most. More than keep a machine's cores busy, for hosts: a disk that hangs stops all that share one. */
const MOST = { hosts: 8, backs: 4 };

/** As many threads of each kind at most. */
export function nodeThreads(most: { readonly hosts: number; readonly backs: number }): Threads {
  const backs = poolOf<SourceThreadOptions, SourceWorker>('source-back', most.backs);
  const hosts = poolOf<SourceHostOptions, SourceHost>('source-host', most.hosts);
  const destinations = poolOf<DestinationWorkerOptions, DestinationWorker>('destination', most.backs);
  return {
    sourceBack: (options, events, onExit) => backs.start(options, events, onExit),
    sourceHost: (options, events, onExit) => hosts.start(options, events, onExit),
    destinationWorker: (options, events, onExit) => destinations.start(options, events, onExit),
  };
}

function poolOf<Options, T extends object>(kind: string, max: number): ThreadPool<Options, T> {
  return new ThreadPool(new URL('./threads/launch.js', import.meta.url), max, kind);
}

export const nodeWorld: World = {
  platform: nodePlatform,
  threads: nodeThreads(MOST),
  lockGroup,
  transport: transportOf,
  watch,
};
