import { parentPort, workerData } from 'node:worker_threads';
import { collectDeadBuffersRegularly } from '../../platform/node/garbage.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { SourceHost, type SourceHostOptions } from '../source-host.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  collectDeadBuffersRegularly();
  serveObject(
    parentPort,
    (emit) => new SourceHost(nodePlatform, threadLog(emit), workerData as SourceHostOptions, emit),
  );
}
