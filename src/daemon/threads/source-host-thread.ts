import { parentPort, workerData } from 'node:worker_threads';
import { NbdServer } from '../../nbd/server.ts';
import { collectDeadBuffersRegularly } from '../../platform/node/garbage.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { SourceHost, type SourceHostOptions } from '../source-host.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  collectDeadBuffersRegularly();
  const options = workerData as SourceHostOptions;
  serveObject(parentPort, (emit) => {
    const log = threadLog(emit);
    const { clock } = nodePlatform;
    const connectionsMax = options.nbd.connections;
    return new SourceHost(nodePlatform, options, emit, (volumes) => {
      return new NbdServer({ volumes, log, clock, connectionsMax });
    });
  });
}
