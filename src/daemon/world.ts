/**
 * What groups are built on. The daemon's own is Node's (`node-world.ts`); on a simulated one, a whole pair of sites runs in
 * one process.
 */
import type { LinkConfig } from '../config/config.ts';
import type { Platform } from '../platform/platform.ts';
import type { Events, RemoteThread } from '../platform/node/threads.ts';
import type { Transport } from '../transfer/transport.ts';
import type { DestinationWorkerOptions, SourceThreadOptions } from './build-threads.ts';
import type { DestinationWorker } from './destination/destination-worker.ts';
import type { SourceHost, SourceHostOptions } from './source/source-host.ts';
import type { SourceWorker } from './source-back/source-worker.ts';

export interface World {
  readonly platform: Platform;
  readonly threads: Threads;
  /** One daemon a group folder. @throws OperatorError `GROUP_LOCKED` */
  lockGroup(name: string, folder: string): { release(): void };
  transport(link: LinkConfig): Transport;
  /** Calls back when something in the folder changed; an event may be missed. The result ends it. */
  watch(folder: string, onChange: () => void): () => void;
}

/** `onExit`: the thread ended without being asked to; groups may share one. */
export interface Threads {
  sourceBack(
    options: SourceThreadOptions,
    events: Events,
    onExit: (error: Error) => void,
  ): RemoteThread<SourceWorker>;
  sourceHost(
    options: SourceHostOptions,
    events: Events,
    onExit: (error: Error) => void,
  ): RemoteThread<SourceHost>;
  destinationWorker(
    options: DestinationWorkerOptions,
    events: Events,
    onExit: (error: Error) => void,
  ): RemoteThread<DestinationWorker>;
}
