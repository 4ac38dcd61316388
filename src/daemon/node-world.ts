/** Groups on Node: real threads, files and file servers. */
import { nodePlatform } from '../platform/node/platform.ts';
import { startThread } from '../platform/node/threads.ts';
import { lockGroup } from './running-group.ts';
import { transportOf } from './transports.ts';
import { watch } from './watch.ts';
import type { World } from './world.ts';

const moduleOf = (name: string): URL => new URL(`./threads/${name}.ts`, import.meta.url);

export const nodeWorld: World = {
  platform: nodePlatform,
  threads: {
    sourceBack: (options, events, onExit) =>
      startThread(moduleOf('source-back-thread'), options, events, onExit),
    sourceHost: (options, events, onExit) =>
      startThread(moduleOf('source-host-thread'), options, events, onExit),
    destinationWorker: (options, events, onExit) =>
      startThread(moduleOf('destination-thread'), options, events, onExit),
  },
  lockGroup,
  transport: transportOf,
  watch,
};
