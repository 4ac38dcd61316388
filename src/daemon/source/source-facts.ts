import { RAW_MARGIN } from '../../capture/journal-writer.ts';
import { rawsMax } from '../../capture/raw-pool.ts';
import type { SourceGroupConfig } from '../../config/config.ts';
import type { Lsn } from '../../journal/ids.ts';
import { OperatorError } from '../../platform/errors.ts';
import type { SourceThreadOptions } from '../build-threads.ts';
import type { SourceHostOptions } from './source-host.ts';
import type { SourceIdentity } from './source-identity.ts';

/** What a group's back thread is made with. */
export function backOptions(
  {
    name,
    folder,
    key,
    segment: { compression, dropOverwritten },
    initialCopy,
    ownSnapshots,
  }: SourceGroupConfig,
  { id, epoch, volumes, resync }: SourceIdentity,
): SourceThreadOptions {
  const snapshots = ownSnapshots && { folder: ownSnapshots.snapshotFolder, views: ownSnapshots.views };
  const group = { name, id };
  return { folder, group, epoch, key, compression, dropOverwritten, initialCopy, volumes, resync, snapshots };
}

/** What its hosts' thread is made with. `done`: sealed and destaged up to here. */
export function hostOptions(
  { name, folder, segment, nbd, quota }: SourceGroupConfig,
  { epoch, volumes, resync }: SourceIdentity,
  done: Lsn,
): SourceHostOptions {
  const group = {
    name,
    folder,
    segmentSize: segment.size,
    segmentAge: segment.age,
    rawsMax: rawsMax(segment.size + RAW_MARGIN, quota),
  };
  return { group: { ...group, epoch, volumes, done, resync }, nbd };
}

export function verifyNeedsEveryWrite(group: string): OperatorError {
  return new OperatorError(
    'VERIFY_NEEDS_EVERY_WRITE',
    `group ${group} replicates on an interval: nothing that is sent tells what its volumes hold now`,
    { remedy: 'mount a recovery point at the destination and compare that' },
  );
}

/** What is known to be wrong is not sent over what may be right (I10). */
export function initializeNeedsSource(group: string): OperatorError {
  return new OperatorError(
    'SOURCE_DIFFERS',
    `volumes of group ${group} hold here what no host wrote: it would be sent over what the destinations hold`,
    {
      remedy: `write the good data back, or say with \`blockferry verify ${group} --accept\` that what is here is right; then initialize again`,
    },
  );
}

export function compareNeedsEveryWrite(group: string): OperatorError {
  return new OperatorError(
    'COMPARE_INTERVAL',
    `group ${group} replicates on an interval: old copies are compared only where every write goes over`,
    {
      remedy:
        'leave replication out of its configuration, restart it, initialize with --compare, and set the interval again once it is in mode journal',
    },
  );
}

export function destinationUnknown(group: string, destination: string, known: string): OperatorError {
  return new OperatorError('DESTINATION_UNKNOWN', `group ${group} has no destination ${destination}`, {
    remedy: `its destinations are: ${known}`,
  });
}

export function resizeNeedsEveryWrite(group: string): OperatorError {
  return new OperatorError(
    'RESIZE_NEEDS_EVERY_WRITE',
    `group ${group} replicates on an interval: its volumes do not grow while it runs`,
    {
      remedy:
        'stop blockferry, make the file or device larger, and start it: the volume is brought over whole',
    },
  );
}

export function resizeNeedsNoSeed(group: string): OperatorError {
  return new OperatorError(
    'RESIZE_NEEDS_NO_SEED',
    `group ${group} is carried over by drive: its volumes do not grow until that is done`,
    { remedy: 'resize the volume when the seed is imported, or cancel the seed', retryable: true },
  );
}
