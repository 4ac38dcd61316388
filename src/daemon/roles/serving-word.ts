/** What a side that took over leaves in its status file, for whoever still is the source of an older epoch. */
import { join } from 'node:path';
import { STATUS_FILE, STATUS_FOLDER } from '../../journal/names.ts';
import type { Takeover } from '../../journal/role-file.ts';
import { readGroupFile } from '../../journal/source-files.ts';
import { encodeStatus } from '../../journal/status-codec.ts';
import { readDestinationState, sequenceAt } from '../../destage/state-file.ts';
import { replaceFile } from '../../platform/atomic-file.ts';
import type { Platform } from '../../platform/platform.ts';
import { Reserve } from '../../platform/reserve.ts';
import type { LocalFile } from '../../transfer/transport.ts';

export interface WordOptions {
  readonly name: string;
  readonly folder: string;
  readonly key: Buffer | undefined;
}

/** Durable on return. @throws the file system's errors */
export function writeServingWord(
  { files, clock, random }: Pick<Platform, 'files' | 'clock' | 'random'>,
  { name, folder, key }: WordOptions,
  { epoch, fork, at }: Takeover,
): LocalFile {
  const { groupId, statusSequence } = readDestinationState(files, folder);
  const now = clock.now();
  // Later than all that this side said as a destination.
  const sequence = Math.max(statusSequence, sequenceAt(now));
  const word = {
    version: 3,
    role: 'source',
    groupId,
    sequence,
    writtenAt: Math.round(now),
    epoch,
    fork,
    at,
    volumes: readGroupFile(files, folder)?.volumes ?? [],
  } as const;
  const bytes = encodeStatus(word, key, name, random);
  const path = join(folder, STATUS_FOLDER, STATUS_FILE);
  files.makeDirectory(join(folder, STATUS_FOLDER));
  // On a full disk too, as a destination's: whoever does not hear of it goes on serving (I8, I11).
  new Reserve(files, join(folder, 'destination-status.reserve')).spend(() => replaceFile(files, path, bytes));
  return { path, size: bytes.length };
}
