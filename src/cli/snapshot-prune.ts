import { retentionSchema, snapshotDeletedSchema, type RetentionReport } from '../api/contract/snapshots.ts';
import { ask } from './client.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { columns, printable, timeText } from './text.ts';

export interface SnapshotPruneOptions {
  readonly state: string;
  readonly group: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

type Verdict = RetentionReport['verdicts'][number];

export async function pruneSnapshots(options: SnapshotPruneOptions): Promise<ExitCode> {
  const { state, group, yes, dryRun, json } = options;
  const path = `/groups/${encodeURIComponent(group)}`;
  const { verdicts } = await ask(state, {
    method: 'GET',
    path: `${path}/retention`,
    answer: retentionSchema,
  });
  const going = verdicts.filter((verdict) => !verdict.keep);
  if (!dryRun && going.length > 0) {
    const names = going.map(({ snapshot }) => `${printable(snapshot.name)} (LSN ${snapshot.lsn})`);
    if (!yes)
      await confirm([`${going.length} recovery points of group ${group} will be gone: ${names.join(', ')}.`]);
    for (const { snapshot } of going) {
      const one = `${path}/snapshots/${snapshot.id}`;
      await ask(state, { method: 'DELETE', path: one, answer: snapshotDeletedSchema });
    }
  }
  if (json) printJson({ pruned: !dryRun, verdicts });
  else print([...table(verdicts), summary(going.length, verdicts.length, dryRun)]);
  return ExitCode.ok;
}

function table(verdicts: readonly Verdict[]): string[] {
  const header = ['', 'NAME', 'LSN', 'TIME AT THE SOURCE', 'WHY'].map((title) => paint('bold', title));
  const rows = verdicts.map(({ snapshot, keep, why }) => [
    keep ? 'stays' : 'goes',
    printable(snapshot.name),
    String(snapshot.lsn),
    timeText(snapshot.time),
    why,
  ]);
  return columns([header, ...rows]);
}

function summary(going: number, all: number, dryRun: boolean): string {
  if (dryRun) return `${going} of ${all} would go. Nothing was changed.`;
  return going === 0
    ? 'Nothing is to go.'
    : `${going} of ${all} are gone; their room comes back in the background.`;
}
