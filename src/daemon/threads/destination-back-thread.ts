import { parentPort, workerData } from 'node:worker_threads';
import { DestinationBack } from '../../destage/destination-back.ts';
import { openSegment } from '../../journal/segment/reader.ts';
import { nodePlatform } from '../../platform/node/platform.ts';
import { serveObject } from '../../platform/node/threads.ts';
import { openSnapshotStore } from '../../recovery/open-store.ts';
import { threadLog } from './thread-log.ts';

export interface DestinationThreadOptions {
  readonly groupName: string;
  readonly folder: string;
  readonly snapshotFolder: string;
  readonly key: Buffer | undefined;
  readonly paths: ReadonlyMap<string, string>;
}

if (parentPort !== null) {
  const { groupName, folder, snapshotFolder, paths, ...options } = workerData as DestinationThreadOptions;
  // A Buffer arrives in another thread as a plain Uint8Array.
  const key = options.key === undefined ? undefined : Buffer.from(options.key);
  const { files, clock } = nodePlatform;
  serveObject(parentPort, (emit) => {
    const log = threadLog(emit);
    return new DestinationBack(files, clock, log, {
      groupName,
      folder,
      paths,
      openSegment: (path) => openSegment(files, path, key),
      openSnapshots: (volumes) => openSnapshotStore(files, log, { folder: snapshotFolder, volumes }),
    });
  });
}
