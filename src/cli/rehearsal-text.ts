/** What came of rehearsals, in words. Pure. */
import type { Rehearsal, RehearsalsStatus } from '../api/contract/rehearsals.ts';
import { durationText, printable, timeText, type Paint } from './text.ts';

/** Of a status: the newest that passed, and the newest that failed. */
export function rehearsalRows(rehearsal: RehearsalsStatus | undefined, paint: Paint): string[][] {
  if (rehearsal === undefined) return [];
  const { current, proven, failed } = rehearsal;
  const since = current === undefined ? '' : `; a rehearsal is under way since ${timeText(current.beganAt)}`;
  const newest =
    proven === undefined
      ? paint('yellow', 'no recovery point yet')
      : `${pointText(proven)}, on ${timeText(proven.beganAt)}, ${timesText(proven)}`;
  const rows = [['proven', `${newest}${since}`]];
  if (failed === undefined) return rows;
  return [...rows, ['unproven', `${pointText(failed)}, on ${timeText(failed.beganAt)}: ${whyText(failed)}`]];
}

/** Of one that has ended. */
export function rehearsalLines(group: string, rehearsal: Rehearsal, paint: Paint): string[] {
  const { failure, output } = rehearsal;
  const came =
    failure === undefined
      ? paint('green', `Proven: ${pointText(rehearsal)} of group ${group}, ${timesText(rehearsal)}.`)
      : paint('red', `Not proven: ${pointText(rehearsal)} of group ${group}: ${whyText(rehearsal)}.`);
  if (output.length === 0) return [came];
  return [came, 'The check printed at its end:', ...output.map((line) => `  ${printable(line)}`)];
}

function pointText({ point }: Rehearsal): string {
  if (point === undefined) return 'no recovery point';
  return `LSN ${point.lsn} of ${timeText(point.time)} (${printable(point.mount)})`;
}

/** From the command. */
function timesText({ mountedAfter = 0, endedAfter }: Rehearsal): string {
  return `mounted after ${durationText(mountedAfter / 1000)}, checked after ${durationText(endedAfter / 1000)}`;
}

function whyText({ failure = '', endedAfter }: Rehearsal): string {
  return `${printable(failure)} (after ${durationText(endedAfter / 1000)})`;
}
