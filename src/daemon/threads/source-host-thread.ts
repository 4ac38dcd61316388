import { parentPort } from 'node:worker_threads';
import { collectDeadBuffersRegularly } from '../../platform/node/garbage.ts';
import { serveObjects } from '../../platform/node/thread-objects.ts';
import { SourceHost, type SourceHostOptions } from '../source/source-host.ts';
import { lend } from './lent.ts';

if (parentPort !== null) {
  collectDeadBuffersRegularly();
  serveObjects(parentPort, (given, lodging) => {
    const options = given as SourceHostOptions;
    const { platform, serve } = lend(lodging, options.nbd.connections);
    return new SourceHost(platform, options, lodging.emit, serve);
  });
}
