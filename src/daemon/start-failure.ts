/** Why a group cannot be started, in words that its operator can follow. */
import { dirname } from 'node:path';
import type { DestinationGroupConfig, SourceGroupConfig } from '../config/config.ts';
import { describeError, OperatorError } from '../platform/errors.ts';
import type { Files } from '../platform/files.ts';
import { isNoRoom } from '../platform/reserve.ts';
import { bytesText } from '../platform/words.ts';

/** Bytes: a file system with less than this is named as full. */
const LITTLE = 16 * 1024 * 1024;

/** An error of the operating system about room tells neither whose nor where: `START_NO_ROOM`. Others are what they were. */
export function startFailure(
  error: unknown,
  files: Pick<Files, 'freeSpace'>,
  config: SourceGroupConfig | DestinationGroupConfig,
): unknown {
  // What is ours already says what to do.
  if (!isNoRoom(error) || (error instanceof OperatorError && error.remedy !== '')) return error;
  const snapshots = config.role === 'destination' ? config : config.ownSnapshots;
  const folders = [
    config.folder,
    ...(snapshots === undefined ? [] : [snapshots.snapshotFolder]),
    ...config.volumes.map(({ path }) => dirname(path)),
  ];
  const full = [...new Set(folders)].flatMap((folder) => {
    const free = freeOf(files, folder);
    return free === undefined || free >= LITTLE ? [] : [`${folder} (${bytesText(free)} free)`];
  });
  const where =
    full.length === 0 ? `a quota, or one of ${[...new Set(folders)].join(', ')}` : full.join(', ');
  return new OperatorError(
    'START_NO_ROOM',
    `group ${config.name} cannot start for want of room: ${describeError(error)}; full is ${where}`,
    {
      remedy:
        'make room there, or enlarge it, without touching the group’s folder or its volumes, and start blockferry again',
      retryable: true,
      cause: error,
    },
  );
}

/** Of a folder that is not there yet: where it would be made. */
function freeOf(files: Pick<Files, 'freeSpace'>, folder: string): number | undefined {
  try {
    return files.freeSpace(folder);
  } catch {
    return dirname(folder) === folder ? undefined : freeOf(files, dirname(folder));
  }
}
