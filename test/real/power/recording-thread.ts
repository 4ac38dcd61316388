import { parentPort } from 'node:worker_threads';
import { serveObjects } from '../../../src/platform/node/thread-objects.ts';
import { RecordingServer, type RecordingOptions } from './recording-server.ts';

if (parentPort !== null) {
  serveObjects(parentPort, (options) => new RecordingServer(options as RecordingOptions));
}
