import { parentPort, workerData } from 'node:worker_threads';
import { nodePlatform } from '../../platform/node/platform.ts';
import { NbdServer } from '../../nbd/server.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { buildDestinationWorker, type DestinationWorkerOptions } from '../build-threads.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  const options = workerData as DestinationWorkerOptions;
  serveObject(parentPort, (emit) => {
    const log = threadLog(emit);
    const { clock } = nodePlatform;
    return buildDestinationWorker(nodePlatform, log, options, (volumes) => {
      return new NbdServer({ volumes, log, clock, connectionsMax: options.views.connections });
    });
  });
}
