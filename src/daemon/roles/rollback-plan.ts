/** What a rollback comes to, and what is noted of it before its first step. */
import type { FailoverAnswer, RollbackAnswer } from '../../api/contract/roles.ts';
import { nameAt } from '../../journal/marker-names.ts';
import { assert } from '../../platform/errors.ts';
import type { Platform } from '../../platform/platform.ts';
import type { WantedPoint } from '../../recovery/choose-point.ts';
import type { RunningDestination } from '../destination/destination.ts';
import type { RunningSource } from '../source/running-source.ts';
import { readRollback, writeRollback, type Rollback, type RollbackPoint } from './rollback-file.ts';

const NAME_MAX = 80;

interface Asked {
  /** The group's. */
  readonly folder: string;
  readonly wanted: WantedPoint;
  readonly platform: Pick<Platform, 'clock' | 'files' | 'random'>;
}

export interface PlannedRollback {
  readonly answer: RollbackAnswer;
  /** It is to be done at the next start; durable on return. */
  readonly note: () => void;
}

/** @throws OperatorError as `RunningSource.rollbackPoint` does */
export async function planRollback(
  group: RunningSource,
  { folder, wanted, platform }: Asked,
): Promise<PlannedRollback> {
  const { id, name, lsn: of, time } = await group.rollbackPoint(wanted);
  const point = { id, name, lsn: of, time };
  const rollback = noteOf(point, readRollback(platform.files, folder), platform);
  const status = await group.status();
  assert(status.role === 'source', 'a source is rolled back');
  const { lsn, hosts, mounts = [] } = status;
  const answer = {
    point: rollback.point,
    lsn,
    behindSeconds: Math.max(0, (platform.clock.now() - point.time) / 1000),
    hosts,
    mounts: mounts.map(({ name }) => name),
    keptAs: rollback.kept.name,
    changedBytes: await group.changedSince(id),
  };
  return { answer, note: () => writeRollback(platform.files, folder, rollback) };
}

/** `before`: one that is under way, which this takes the place of. */
function noteOf(
  point: RollbackPoint,
  before: Rollback | undefined,
  { clock, random }: Pick<Platform, 'clock' | 'random'>,
): Rollback {
  const newId = (): string => random.bytes(16).toString('hex');
  const done = { id: newId(), name: `rolled-back-to-${point.name}`.slice(0, NAME_MAX) };
  // Half way between two states the volumes are nothing to be kept: what they were before is.
  if (before?.begun === true) return { point, kept: before.kept, begun: true, done };
  return { point, kept: { id: newId(), name: `before-rollback-${nameAt(clock.now())}` }, begun: false, done };
}

export interface PlannedReturn {
  readonly answer: Pick<FailoverAnswer, 'rollback'>;
  /** It is to be done once this side serves; durable on return. */
  readonly note: (folder: string) => void;
}

/** Of a destination that takes over and is brought back to a point, if any, which is held then. @throws OperatorError as `RunningDestination.holdPoint` does */
export async function planReturn(
  group: RunningDestination,
  wanted: WantedPoint | undefined,
  platform: Pick<Platform, 'clock' | 'files' | 'random'>,
): Promise<PlannedReturn> {
  if (wanted === undefined) return { answer: {}, note: () => undefined };
  const { point, changedBytes } = await group.holdPoint(wanted);
  const rollback = noteOf(point, undefined, platform);
  const { appliedTime } = group.facts().state;
  const discardedSeconds = Math.max(0, (appliedTime - point.time) / 1000);
  const { name, lsn, time } = point;
  return {
    answer: {
      rollback: { point: { name, lsn, time }, discardedSeconds, changedBytes, keptAs: rollback.kept.name },
    },
    note: (folder) => writeRollback(platform.files, folder, rollback),
  };
}
