import { snapshotListSchema } from '../api/contract/snapshots.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { bytesText, columns, printable, timeText } from './text.ts';

export interface SnapshotListOptions {
  readonly state: string;
  readonly group: string;
  readonly json: boolean;
}

export async function listSnapshots({ state, group, json }: SnapshotListOptions): Promise<ExitCode> {
  const list = await ask(state, {
    method: 'GET',
    path: `/groups/${encodeURIComponent(group)}/snapshots`,
    answer: snapshotListSchema,
  });
  if (json) {
    printJson(list);
  } else if (list.snapshots.length === 0) {
    print([`Group ${group} has no snapshots here.`]);
  } else {
    const header = ['NAME', 'LSN', 'TIME AT THE SOURCE', 'KIND', 'KEPT FOR IT', 'ID'].map((title) =>
      paint('bold', title),
    );
    const rows = list.snapshots.map(({ name, lsn, time, kind, bytes, id }) => [
      printable(name),
      String(lsn),
      timeText(time),
      kind,
      bytes === undefined ? 'not known' : bytesText(bytes),
      id,
    ]);
    print(columns([header, ...rows]));
  }
  return ExitCode.ok;
}
