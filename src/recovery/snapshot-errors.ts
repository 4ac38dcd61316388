import { OperatorError } from '../platform/errors.ts';

export function snapshotNotFound(id: string, volume?: string): OperatorError {
  const of = volume === undefined ? '' : ` of volume ${volume}`;
  return new OperatorError('SNAPSHOT_NOT_FOUND', `there is no snapshot ${id}${of}`, {
    remedy: 'list the snapshots of the group and choose one of them',
  });
}

export function snapshotInUse(id: string, readers: number): OperatorError {
  return new OperatorError('SNAPSHOT_IN_USE', `snapshot ${id} is being read (${readers} readers)`, {
    remedy: 'unmount it, or let what reads it come to its end, and delete it then',
  });
}

/** What was kept fails its check, or is not there any more. */
export function snapshotDamaged(id: string, volume: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError('SNAPSHOT_DAMAGED', `snapshot ${id} of volume ${volume} is damaged: ${why}`, {
    remedy: 'use another snapshot, and check the disk that holds the snapshot folder',
    cause,
  });
}
