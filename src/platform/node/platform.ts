import type { Platform } from '../platform.ts';
import { nodeClock } from './clock.ts';
import { nodeFiles } from './files.ts';
import { nodeProcesses } from './processes.ts';
import { nodeRandom } from './random.ts';

export const nodePlatform: Platform = {
  clock: nodeClock,
  files: nodeFiles,
  processes: nodeProcesses,
  random: nodeRandom,
};
