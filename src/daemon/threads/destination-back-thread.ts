import { parentPort, workerData } from 'node:worker_threads';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { buildDestinationBack, type DestinationBackThreadOptions } from '../build-threads.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  const options = workerData as DestinationBackThreadOptions;
  serveObject(parentPort, (emit) => buildDestinationBack(nodePlatform, threadLog(emit), options));
}
