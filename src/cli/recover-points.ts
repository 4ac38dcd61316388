import { recoveryPointsSchema, type RecoveryPoints } from '../api/contract/points.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { columns, printable, timeText } from './text.ts';

export interface RecoverPointsOptions {
  readonly state: string;
  readonly group: string;
  readonly json: boolean;
}

export async function recoverPoints({ state, group, json }: RecoverPointsOptions): Promise<ExitCode> {
  const points = await ask(state, {
    method: 'GET',
    path: `/groups/${encodeURIComponent(group)}/points`,
    answer: recoveryPointsSchema,
  });
  if (json) printJson(points);
  else print([...table(points), ...windowLines(points), ...markerLines(points), presentText(points.applied)]);
  return ExitCode.ok;
}

function table({ snapshots }: RecoveryPoints): string[] {
  if (snapshots.length === 0) return ['There are no snapshots.'];
  const header = ['LSN', 'TIME AT THE SOURCE', 'SNAPSHOT', 'NAMED', 'ID'].map((title) =>
    paint('bold', title),
  );
  const rows = snapshots.map(({ name, lsn, time, named, id, apart }) => [
    String(lsn),
    timeText(time),
    printable(name),
    apart === true ? 'apart: of a history that was left' : named ? 'by hand' : 'by its time',
    id,
  ]);
  return columns([header, ...rows]);
}

function windowLines({ windows }: RecoveryPoints): string[] {
  if (windows.length === 0) return [];
  const rows = windows.map(({ from, to, every }) => [
    `LSN ${from.lsn} to ${to.lsn}`,
    `${timeText(from.time)} to ${timeText(to.time)}`,
    every ? 'every write' : 'the ends of files, between which data was left out',
  ]);
  return ['Any point in time of these, by --at:', ...columns(rows).map((row) => `  ${row}`)];
}

function markerLines({ markers }: RecoveryPoints): string[] {
  if (markers.length === 0) return [];
  const rows = markers.map(({ name, lsn, time }) => [`LSN ${lsn}`, timeText(time), printable(name)]);
  return [
    'Markers in between, by their names; the newest of a name is meant:',
    ...columns(rows).map((row) => `  ${row}`),
  ];
}

function presentText({ lsn, time, consistent, aheadTo }: RecoveryPoints['applied']): string {
  if (lsn === 0) return 'The volumes hold nothing yet.';
  const when = time === 0 ? '' : `, written at the source at ${timeText(time)}`;
  const why =
    aheadTo === undefined
      ? 'existing data is still being brought over'
      : `a part of what follows, up to ${aheadTo}, may be in them`;
  const state = consistent ? '' : `, and are no recovery point: ${why}`;
  return `The volumes themselves are at LSN ${lsn}${when}${state}.`;
}
