/** What a source's snapshots hold that its volumes do not, on the thread that destages. */
import type { VolumeIndex } from '../journal/ids.ts';
import { assert, OperatorError } from '../platform/errors.ts';
import { choosePoint, type WantedPoint } from '../recovery/choose-point.ts';
import { Difference, type ComparedVolume, type DifferenceStep } from '../recovery/difference.ts';
import type { SnapshotInfo, SnapshotReader } from '../recovery/snapshot-store.ts';
import type { VolumeSet } from '../volume/volume-set.ts';
import type { SourceSnapshots } from './source-snapshots.ts';

export interface RollbackReaderOptions {
  readonly snapshots: SourceSnapshots;
  readonly volumes: readonly { readonly index: VolumeIndex; readonly name: string }[];
  readonly content: Pick<VolumeSet, 'look' | 'sizeOf'>;
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
    const held = snapshots.volumesOf(point.id);
    const missing = volumes.find(({ name }) => !held.includes(name));
    if (missing !== undefined) throw notAtPoint(missing.name, point.name);
    return point;
  }

  /** From the start. The snapshot cannot be deleted before `end`. @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_DAMAGED` */
  begin(id: string): void {
    this.end();
    const { snapshots, volumes, content } = this.#options;
    const compared = volumes.map(({ index, name }) => {
      const past = snapshots.read(id, name);
      this.#readers.push(past);
      const look: ComparedVolume['look'] = (act) => content.look(index, act);
      return { index, size: content.sizeOf(index), past, look };
    });
    this.#difference = new Difference(compared);
  }

  /** @throws as `Difference.step` does */
  step(): DifferenceStep {
    assert(this.#difference !== undefined, 'a rollback was begun');
    return this.#difference.step();
  }

  end(): void {
    for (const reader of this.#readers.splice(0)) reader.close();
    this.#difference = undefined;
  }
}

function notAtPoint(volume: string, point: string): OperatorError {
  return new OperatorError(
    'VOLUME_NOT_AT_POINT',
    `volume ${volume} was not in the group at ${point}, and all volumes go back together`,
    { remedy: 'choose a later point, or mount this one and copy out of it what is wanted' },
  );
}
