import { parentPort } from 'node:worker_threads';
import { giveWayToHosts } from '../../platform/node/priority.ts';
import { serveObjects } from '../../platform/node/thread-objects.ts';
import { buildSourceBack, type SourceThreadOptions } from '../build-threads.ts';
import { lend } from './lent.ts';

if (parentPort !== null) {
  giveWayToHosts();
  serveObjects(parentPort, (given, lodging) => {
    const options = given as SourceThreadOptions;
    const { platform, log, serve } = lend(lodging, options.snapshots?.views.connections ?? 0);
    return buildSourceBack(platform, log, options, serve);
  });
}
