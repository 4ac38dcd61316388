import { epoch } from '../journal/ids.ts';
import type { GroupFile } from '../journal/source-files.ts';
import { OperatorError } from '../platform/errors.ts';
import type { Random } from '../platform/random.ts';

/** Of a group that begins. */
export function newIdentity(random: Random): GroupFile {
  const id = (): string => random.bytes(16).toString('hex');
  return { id: id(), epoch: { number: epoch(1), id: id() }, volumes: [] };
}

export function verifyNeedsEveryWrite(group: string): OperatorError {
  return new OperatorError(
    'VERIFY_NEEDS_EVERY_WRITE',
    `group ${group} replicates on an interval: nothing that is sent tells what its volumes hold now`,
    { remedy: 'mount a recovery point at the destination and compare that' },
  );
}
