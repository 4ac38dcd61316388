import { parentPort, workerData } from 'node:worker_threads';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { buildSourceBack } from '../build-threads.ts';
import type { SourceBackOptions } from '../source-back.ts';
import { threadLog } from './thread-log.ts';

if (parentPort !== null) {
  const options = workerData as SourceBackOptions;
  serveObject(parentPort, (emit) => buildSourceBack(nodePlatform, threadLog(emit), options));
}
