/** The objects that live in threads of their own, made of the options that were sent there. */
import { join } from 'node:path';
import { openSegment } from '../journal/segment/reader.ts';
import type { Log } from '../platform/log.ts';
import type { Files } from '../platform/files.ts';
import type { Platform } from '../platform/platform.ts';
import { openSnapshotStore } from '../recovery/open-store.ts';
import type { SnapshotStore } from '../recovery/snapshot-store.ts';
import type { NbdAddress } from '../nbd/server.ts';
import type { SetVolume } from '../volume/volume-set.ts';
import { DestinationWorker, type WorkerOptions } from './destination/destination-worker.ts';
import { keepUp, type KeptPlace } from './source-back/kept-store.ts';
import { ServedViews } from './snapshots/served-views.ts';
import type { SourceBackOptions } from './source-back/source-back-facts.ts';
import { SourceSnapshots } from './source-back/source-snapshots.ts';
import { SourceWorker, type SourceWorkerOptions } from './source-back/source-worker.ts';

/** Where views of recovery points are served, how many connections they may have, and where what is written to them goes. */
export interface ViewsOptions {
  readonly address: NbdAddress;
  readonly connections: number;
  readonly scratch: WorkerOptions['scratch'];
}

export interface SourceThreadOptions extends SourceBackOptions {
  /** Its own; undefined: it keeps none. */
  readonly snapshots: { readonly folder: string; readonly views: ViewsOptions } | undefined;
}

export interface DestinationWorkerOptions {
  readonly groupName: string;
  readonly folder: string;
  readonly snapshotFolder: string;
  readonly key: Buffer | undefined;
  readonly paths: ReadonlyMap<string, string>;
  readonly retain: WorkerOptions['retain'];
  readonly views: ViewsOptions;
}

export function buildSourceBack(
  platform: Pick<Platform, 'clock' | 'files' | 'random'>,
  log: Log,
  options: SourceThreadOptions,
  serve: WorkerOptions['serve'],
): SourceWorker {
  const { files, random } = platform;
  // Its own: in the other one are those of this side as a destination.
  const folder = join(options.folder, 'points');
  const key = keyOf(options);
  return new SourceWorker(files, random, {
    ...options,
    key,
    openFile: (path) => openSegment(files, path, key),
    stores: {
      log,
      hasStore: () => files.stat(folder) !== undefined,
      openStore: () => openSnapshotStore(files, log, { folder, volumes: options.volumes }),
    },
    own: ownSnapshots(platform, log, options, serve),
  });
}

function ownSnapshots(
  platform: Pick<Platform, 'clock' | 'files'>,
  log: Log,
  { folder, volumes, group, snapshots }: SourceThreadOptions,
  serve: WorkerOptions['serve'],
): SourceWorkerOptions['own'] {
  if (snapshots === undefined) return undefined;
  const { views, folder: snapshotFolder } = snapshots;
  const { address: viewsAddress, scratch } = views;
  const mounts = new ServedViews(platform, log, { groupName: group.name, viewsAddress, scratch, serve });
  const openStore = (of: readonly SetVolume[]): SnapshotStore =>
    mounts.follow(openKept(platform.files, log, { folder, snapshotFolder, volumes: of }));
  const options = { snapshotFolder, volumes, openStore };
  return { snapshots: new SourceSnapshots(platform.files, log, options), mounts };
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
    openStore: (volumes) => openKept(files, log, { folder, snapshotFolder, volumes }),
    viewsAddress: options.views.address,
    scratch: options.views.scratch,
    serve,
  });
}

function openKept(
  files: Files,
  log: Log,
  { volumes, ...place }: KeptPlace & { readonly volumes: readonly SetVolume[] },
): SnapshotStore {
  return keepUp(files, place, openSnapshotStore(files, log, { folder: place.snapshotFolder, volumes }));
}

/** A Buffer arrives in another thread as a plain Uint8Array. */
function keyOf({ key }: { readonly key: Buffer | undefined }): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key);
}
