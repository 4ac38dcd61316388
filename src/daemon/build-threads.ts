/** The objects that live in threads of their own, made of the options that were sent there. */
import { join } from 'node:path';
import { openSegment } from '../journal/segment/reader.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { openSnapshotStore } from '../recovery/open-store.ts';
import type { NbdAddress } from '../nbd/server.ts';
import { DestinationWorker, type WorkerOptions } from './destination-worker.ts';
import { SourceBack, type SourceBackOptions } from './source-back.ts';

export interface DestinationWorkerOptions {
  readonly groupName: string;
  readonly folder: string;
  readonly snapshotFolder: string;
  readonly key: Buffer | undefined;
  readonly paths: ReadonlyMap<string, string>;
  readonly retain: WorkerOptions['retain'];
  /** Where views of recovery points are served, how many connections they may have, and where what is written to them goes. */
  readonly views: {
    readonly address: NbdAddress;
    readonly connections: number;
    readonly scratch: WorkerOptions['scratch'];
  };
}

export function buildSourceBack(
  { files, random }: Pick<Platform, 'files' | 'random'>,
  log: Log,
  options: SourceBackOptions,
): SourceBack {
  const folder = join(options.folder, 'snapshots');
  return new SourceBack(
    files,
    random,
    { ...options, key: keyOf(options) },
    {
      log,
      hasStore: () => files.stat(folder) !== undefined,
      openStore: () => openSnapshotStore(files, log, { folder, volumes: options.volumes }),
    },
  );
}

export function buildDestinationWorker(
  platform: Pick<Platform, 'clock' | 'files'>,
  log: Log,
  options: DestinationWorkerOptions,
  serve: WorkerOptions['serve'],
): DestinationWorker {
  const { files } = platform;
  const { groupName, folder, snapshotFolder, paths, retain } = options;
  const key = keyOf(options);
  return new DestinationWorker(platform, log, {
    groupName,
    folder,
    paths,
    retain,
    key,
    openSegment: (path) => openSegment(files, path, key),
    openStore: (volumes) => openSnapshotStore(files, log, { folder: snapshotFolder, volumes }),
    viewsAddress: options.views.address,
    scratch: options.views.scratch,
    serve,
  });
}

/** A Buffer arrives in another thread as a plain Uint8Array. */
function keyOf({ key }: { readonly key: Buffer | undefined }): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key);
}
