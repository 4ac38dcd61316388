import { snapshotEntrySchema } from '../api/contract/snapshots.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { printable, timeText } from './text.ts';

export interface SnapshotCreateOptions {
  readonly state: string;
  readonly group: string;
  /** Undefined: its UTC time. */
  readonly name: string | undefined;
  readonly json: boolean;
}

export async function createSnapshot({ state, group, name, json }: SnapshotCreateOptions): Promise<ExitCode> {
  const made = await ask(state, {
    method: 'POST',
    path: `/groups/${encodeURIComponent(group)}/snapshots`,
    body: name === undefined ? {} : { name },
    answer: snapshotEntrySchema,
  });
  if (json) printJson(made);
  else {
    const where = `LSN ${made.lsn}, ${timeText(made.time)} at the source`;
    print([`Snapshot ${printable(made.name)} of group ${group} is made at ${where}, id ${made.id}.`]);
  }
  return ExitCode.ok;
}
