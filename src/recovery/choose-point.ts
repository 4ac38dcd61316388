/** Which recovery point somebody means. Pure. */
import { OperatorError } from '../platform/errors.ts';
import type { SnapshotInfo } from './snapshot-store.ts';

/** A snapshot by its id or name, or the state at the newest marker of this name; or the newest state at or before an LSN, or a time by the source's clock. */
export type WantedPoint =
  | { readonly kind: 'snapshot'; readonly called: string }
  | { readonly kind: 'lsn'; readonly lsn: number }
  | { readonly kind: 'time'; readonly time: number };

/**
 * `snapshots`: oldest LSN first.
 * @throws OperatorError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_AMBIGUOUS`, `POINT_NOT_FOUND`
 */
export function choosePoint<T extends Pick<SnapshotInfo, 'id' | 'name' | 'lsn' | 'time' | 'apart'>>(
  snapshots: readonly T[],
  wanted: WantedPoint,
): T {
  if (wanted.kind === 'snapshot') return chooseSnapshot(snapshots, wanted.called);
  const present = snapshots.filter(({ apart }) => apart === undefined);
  const found = present.findLast(({ lsn, time }) =>
    wanted.kind === 'lsn' ? lsn <= wanted.lsn : time <= wanted.time,
  );
  if (found !== undefined) return found;
  const asked = wanted.kind === 'lsn' ? `LSN ${wanted.lsn}` : new Date(wanted.time).toISOString();
  const [oldest] = present;
  throw new OperatorError('POINT_NOT_FOUND', `there is no recovery point at or before ${asked}`, {
    remedy:
      oldest === undefined
        ? 'there is none at all yet: place a snapshot marker at the source'
        : `the oldest is ${oldest.name} at LSN ${oldest.lsn}, ${new Date(oldest.time).toISOString()}`,
  });
}

function chooseSnapshot<T extends Pick<SnapshotInfo, 'id' | 'name' | 'time'>>(
  snapshots: readonly T[],
  called: string,
): T {
  const byId = snapshots.find(({ id }) => id === called);
  if (byId !== undefined) return byId;
  const [found, ...others] = snapshots.filter(({ name }) => name === called);
  if (found === undefined) {
    throw new OperatorError('SNAPSHOT_NOT_FOUND', `there is no snapshot ${called}`, {
      remedy: '`blockferry recover points GROUP` lists those that there are',
    });
  }
  if (others.length === 0) return found;
  const ids = [found, ...others].map(({ id, time }) => `${id} (${new Date(time).toISOString()})`);
  throw new OperatorError('SNAPSHOT_AMBIGUOUS', `there are ${ids.length} snapshots of the name ${called}`, {
    remedy: `say which by its id: ${ids.join(', ')}`,
  });
}

/** Where a marker was passed. */
export interface NamedPlace {
  readonly name: string;
  readonly lsn: number;
  /** The source's clock, milliseconds since 1970. */
  readonly time: number;
}

/** The marker that is meant, where no snapshot is called so; the newest of that name. `markers`: in their order. */
export function markerMeant<T extends NamedPlace>(
  snapshots: readonly Pick<SnapshotInfo, 'id' | 'name'>[],
  markers: readonly T[],
  wanted: WantedPoint,
): T | undefined {
  if (wanted.kind !== 'snapshot') return undefined;
  const { called } = wanted;
  if (snapshots.some(({ id, name }) => id === called || name === called)) return undefined;
  return markers.findLast(({ name }) => name === called);
}

export function markerOutOfReach({ name, lsn, time }: NamedPlace): OperatorError {
  const where = `marker ${name} was passed at LSN ${lsn}, ${new Date(time).toISOString()}`;
  return new OperatorError('POINT_NOT_FOUND', `${where}: that state is in reach no more`, {
    remedy:
      '`blockferry recover points GROUP` lists what is; a longer `retain` keeps more, and a snapshot marker a state for as long as its snapshot is there',
  });
}
