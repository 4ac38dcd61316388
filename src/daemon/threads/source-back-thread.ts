import { parentPort, workerData } from 'node:worker_threads';
import { NbdServer } from '../../nbd/server.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { buildSourceBack, type SourceThreadOptions } from '../build-threads.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  const options = workerData as SourceThreadOptions;
  serveObject(parentPort, (emit) => {
    const log = threadLog(emit);
    const { clock } = nodePlatform;
    return buildSourceBack(nodePlatform, log, options, (volumes) => {
      return new NbdServer({
        volumes,
        log,
        clock,
        connectionsMax: options.snapshots?.views.connections ?? 0,
      });
    });
  });
}
