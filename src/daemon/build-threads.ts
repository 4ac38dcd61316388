/** The objects that live in threads of their own, made of the options that were sent there. */
import { DestinationBack } from '../destage/destination-back.ts';
import { openSegment } from '../journal/segment/reader.ts';
import type { Log } from '../platform/log.ts';
import type { Platform } from '../platform/platform.ts';
import { openSnapshotStore } from '../recovery/open-store.ts';
import { SourceBack, type SourceBackOptions } from './source-back.ts';

export interface DestinationBackThreadOptions {
  readonly groupName: string;
  readonly folder: string;
  readonly snapshotFolder: string;
  readonly key: Buffer | undefined;
  readonly paths: ReadonlyMap<string, string>;
}

export function buildSourceBack({ files, random }: Platform, options: SourceBackOptions): SourceBack {
  return new SourceBack(files, random, { ...options, key: keyOf(options) });
}

export function buildDestinationBack(
  { files, clock }: Platform,
  log: Log,
  options: DestinationBackThreadOptions,
): DestinationBack {
  const { groupName, folder, snapshotFolder, paths } = options;
  const key = keyOf(options);
  return new DestinationBack(files, clock, log, {
    groupName,
    folder,
    paths,
    openSegment: (path) => openSegment(files, path, key),
    openSnapshots: (volumes) => openSnapshotStore(files, log, { folder: snapshotFolder, volumes }),
  });
}

/** A Buffer arrives in another thread as a plain Uint8Array. */
function keyOf({ key }: { readonly key: Buffer | undefined }): Buffer | undefined {
  return key === undefined ? undefined : Buffer.from(key);
}
