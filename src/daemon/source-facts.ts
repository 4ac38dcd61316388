import type { SourceGroupConfig } from '../config/config.ts';
import { epoch } from '../journal/ids.ts';
import type { GroupFile } from '../journal/source-files.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Random } from '../platform/random.ts';
import type { SourceBackOptions } from './source-back.ts';
import type { PlacedVolume } from './source-volumes.ts';

/** Of a group that begins. */
export function newIdentity(random: Random): GroupFile {
  const id = (): string => random.bytes(16).toString('hex');
  return { id: id(), epoch: { number: epoch(1), id: id() }, volumes: [] };
}

/** What a group's back thread is made with. */
export function backOptions(
  { name, folder, key, segment: { compression, dropOverwritten } }: SourceGroupConfig,
  { id, epoch: identity }: GroupFile,
  volumes: readonly PlacedVolume[],
): SourceBackOptions {
  return { folder, group: { name, id }, epoch: identity, key, compression, dropOverwritten, volumes };
}

export function verifyNeedsEveryWrite(group: string): OperatorError {
  return new OperatorError(
    'VERIFY_NEEDS_EVERY_WRITE',
    `group ${group} replicates on an interval: nothing that is sent tells what its volumes hold now`,
    { remedy: 'mount a recovery point at the destination and compare that' },
  );
}

export function destinationUnknown(group: string, destination: string, known: string): OperatorError {
  return new OperatorError('DESTINATION_UNKNOWN', `group ${group} has no destination ${destination}`, {
    remedy: `its destinations are: ${known}`,
  });
}
