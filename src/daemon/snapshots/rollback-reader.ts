/** What a source's snapshots hold that its volumes do not, on the thread that destages. */
import { join } from 'node:path';
import type { AttachedVolume } from '../../journal/ids.ts';
import { parseSealedName } from '../../journal/names.ts';
import type { SegmentReader } from '../../journal/segment/segment.ts';
import { assert, OperatorError } from '../../platform/errors.ts';
import type { Files } from '../../platform/files.ts';
import { choosePoint, type WantedPoint } from '../../recovery/choose-point.ts';
import { Difference, type ComparedVolume, type DifferenceStep } from '../../recovery/difference.ts';
import { PastState } from '../../recovery/past-state.ts';
import type { SnapshotInfo, SnapshotReader } from '../../recovery/snapshot-store.ts';
import type { VolumeSet } from '../../volume/volume-set.ts';
import type { RollbackPoint } from '../roles/rollback-file.ts';
import type { SourceSnapshots } from '../source-back/source-snapshots.ts';

export interface RollbackReaderOptions {
  readonly snapshots: SourceSnapshots;
  readonly volumes: readonly AttachedVolume[];
  readonly content: Pick<VolumeSet, 'look' | 'sizeOf'>;
  readonly files: Pick<Files, 'list' | 'stat'>;
  /** Of the replication files that were put aside. */
  readonly folder: string;
  readonly openSegment: (path: string) => SegmentReader;
}

export class RollbackReader {
  readonly #options: RollbackReaderOptions;
  #readers: SnapshotReader[] = [];
  #difference: Difference | undefined;

  constructor(options: RollbackReaderOptions) {
    this.#options = options;
  }

  /** @throws OperatorError as `choosePoint` does; `VOLUME_NOT_AT_POINT` */
  choose(wanted: WantedPoint): SnapshotInfo {
    const { snapshots, volumes } = this.#options;
    const point = choosePoint(snapshots.list(), wanted);
    refuseWithout(volumes, point.name, snapshots.volumesOf(point.id));
    return point;
  }

  /**
   * From the start. The snapshot cannot be deleted before `end`.
   * @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED`, `RETAINED_DAMAGED`, `RETAINED_GONE`
   */
  begin(point: RollbackPoint): void {
    this.end();
    const past = this.#pastOf(point);
    const { snapshots, volumes, content } = this.#options;
    const compared = volumes.map(({ index, name }) => {
      const base = snapshots.read(point.id, name);
      this.#readers.push(base);
      const look: ComparedVolume['look'] = (act) => content.look(index, act);
      return { index, size: content.sizeOf(index), past: past?.over(base, name) ?? base, look };
    });
    this.#difference = new Difference(compared);
  }

  /** @throws as `Difference.step` does */
  step(): DifferenceStep {
    assert(this.#difference !== undefined, 'a rollback was begun');
    return this.#difference.step();
  }

  #pastOf({ base, lsn, name }: RollbackPoint): PastState | undefined {
    if (base === undefined) return undefined;
    const { files, folder, openSegment, volumes } = this.#options;
    const names = files.stat(folder) === undefined ? [] : files.list(folder);
    const segments = names.flatMap((file) => {
      const range = parseSealedName(file);
      return range === undefined ? [] : [{ path: join(folder, file), range }];
    });
    const past = new PastState(base, { kind: 'lsn', lsn }, { openSegment, volumes });
    for (const segment of segments.sort((one, other) => one.range.first - other.range.first))
      if (!past.add(segment)) break;
    if (past.lsn !== lsn) throw segmentsGone(name, folder);
    return past;
  }

  end(): void {
    for (const reader of this.#readers.splice(0)) reader.close();
    this.#difference = undefined;
  }
}

/** @throws OperatorError `VOLUME_NOT_AT_POINT` */
export function refuseWithout(
  volumes: readonly { readonly name: string }[],
  point: string,
  held: readonly string[],
): void {
  const missing = volumes.find(({ name }) => !held.includes(name));
  if (missing !== undefined) throw notAtPoint(missing.name, point);
}

function segmentsGone(point: string, folder: string): OperatorError {
  return new OperatorError(
    'RETAINED_GONE',
    `not all replication files that lead to ${point} are in ${folder}`,
    {
      remedy: 'bring them back, or `blockferry rollback` to a snapshot',
    },
  );
}

function notAtPoint(volume: string, point: string): OperatorError {
  return new OperatorError(
    'VOLUME_NOT_AT_POINT',
    `volume ${volume} was not in the group at ${point}, and all volumes go back together`,
    { remedy: 'choose a later point, or mount this one and copy out of it what is wanted' },
  );
}
