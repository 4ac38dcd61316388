import { parentPort, workerData } from 'node:worker_threads';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { SourceBack, type SourceBackOptions } from '../source-back.ts';

if (parentPort !== null) {
  const options = workerData as SourceBackOptions;
  // A Buffer arrives in another thread as a plain Uint8Array.
  const key = options.key === undefined ? undefined : Buffer.from(options.key);
  serveObject(parentPort, () => new SourceBack(nodePlatform.files, nodePlatform.random, { ...options, key }));
}
