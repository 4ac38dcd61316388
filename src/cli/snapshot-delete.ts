import { recoveryPointsSchema, type RecoveryPoints } from '../api/contract/points.ts';
import { snapshotDeletedSchema, snapshotListSchema, type SnapshotEntry } from '../api/contract/snapshots.ts';
import { ask } from './client.ts';
import { CommandError } from './command-error.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { printable, timeText } from './text.ts';

export interface SnapshotDeleteOptions {
  readonly state: string;
  readonly group: string;
  /** Its id, or its name. */
  readonly snapshot: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export async function deleteSnapshot(options: SnapshotDeleteOptions): Promise<ExitCode> {
  const { state, group, dryRun, json } = options;
  const path = `/groups/${encodeURIComponent(group)}/snapshots`;
  const { snapshots } = await ask(state, { method: 'GET', path, answer: snapshotListSchema });
  const found = findSnapshot(snapshots, options.snapshot, group);
  const points = await ask(state, {
    method: 'GET',
    path: `/groups/${encodeURIComponent(group)}/points`,
    answer: recoveryPointsSchema,
  });
  const loss = [
    `The state of group ${group} at ${describe(found)} will be gone from this side.`,
    snapshots.length === 1
      ? 'It is the only recovery point here.'
      : `${snapshots.length - 1} other recovery points stay.`,
    ...windowLoss(found, points),
  ];
  if (!dryRun) {
    if (!options.yes) await confirm(loss);
    await ask(state, { method: 'DELETE', path: `${path}/${found.id}`, answer: snapshotDeletedSchema });
  }
  if (json) printJson({ deleted: !dryRun, snapshot: found });
  else if (dryRun) print([...loss, 'Nothing was changed.']);
  else print([`Deleted: ${describe(found)}. Its room comes back in the background.`]);
  return ExitCode.ok;
}

/** The points in time that lead on from it alone. */
function windowLoss({ lsn }: SnapshotEntry, { snapshots, windows }: RecoveryPoints): string[] {
  const first = windows.find(({ from }) => from.lsn === lsn);
  if (first === undefined || windows.some(({ to }) => to.lsn === lsn)) return [];
  let end = first.to;
  for (const { from, to } of windows) if (from.lsn === end.lsn) end = to;
  const next = snapshots.find((snapshot) => snapshot.lsn > lsn && snapshot.lsn <= end.lsn) ?? end;
  return [`The points in time from there to LSN ${next.lsn} (${timeText(next.time)}) will be gone with it.`];
}

/** @throws CommandError `SNAPSHOT_NOT_FOUND`, `SNAPSHOT_AMBIGUOUS` */
function findSnapshot(snapshots: readonly SnapshotEntry[], called: string, group: string): SnapshotEntry {
  const byId = snapshots.find(({ id }) => id === called);
  const byName = snapshots.filter(({ name }) => name === called);
  const found = byId ?? byName[0];
  if (found === undefined) {
    throw new CommandError(
      ExitCode.declined,
      'SNAPSHOT_NOT_FOUND',
      `group ${group} has no snapshot ${called} here`,
      `"blockferry snapshot list ${group}" lists those that it has`,
    );
  }
  if (byId === undefined && byName.length > 1) {
    throw new CommandError(
      ExitCode.declined,
      'SNAPSHOT_AMBIGUOUS',
      `group ${group} has ${byName.length} snapshots of the name ${called}`,
      `say which by its id: ${byName.map(({ id, time }) => `${id} (${timeText(time)})`).join(', ')}`,
    );
  }
  return found;
}

function describe({ name, lsn, time, id }: SnapshotEntry): string {
  return `snapshot ${printable(name)} (LSN ${lsn}, ${timeText(time)}, id ${id})`;
}
