import { parentPort, workerData } from 'node:worker_threads';
import { serveObject } from '../../../src/platform/node/threads.ts';
import { RecordingServer, type RecordingOptions } from './recording-server.ts';

if (parentPort !== null) {
  const options = workerData as RecordingOptions;
  serveObject(parentPort, () => new RecordingServer(options));
}
