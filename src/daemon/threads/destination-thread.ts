import { parentPort } from 'node:worker_threads';
import { giveWayToHosts } from '../../platform/node/priority.ts';
import { serveObjects } from '../../platform/node/thread-objects.ts';
import { buildDestinationWorker, type DestinationWorkerOptions } from '../build-threads.ts';
import { lend } from './lent.ts';

if (parentPort !== null) {
  giveWayToHosts();
  serveObjects(parentPort, (given, lodging) => {
    const options = given as DestinationWorkerOptions;
    const { platform, log, serve } = lend(lodging, options.views.connections);
    return buildDestinationWorker(platform, log, options, serve);
  });
}
