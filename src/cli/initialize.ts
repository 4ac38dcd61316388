import { initializeAnswerSchema } from '../api/contract/initialize.ts';
import { statusReportSchema } from '../api/contract/status-schema.ts';
import { ask } from './client.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { bytesText } from './text.ts';

export interface InitializeOptions {
  readonly state: string;
  readonly group: string;
  readonly yes: boolean;
  readonly json: boolean;
}

export async function initialize({ state, group, yes, json }: InitializeOptions): Promise<ExitCode> {
  const path = `/groups/${encodeURIComponent(group)}`;
  if (!yes) await confirm(await consequences(state, path, group));
  const { bytes } = await ask(state, {
    method: 'POST',
    path: `${path}/initialize`,
    answer: initializeAnswerSchema,
  });
  if (json) printJson({ group, bytes });
  else {
    print([
      `All that the volumes of group ${group} hold (of ${bytesText(bytes)}) is brought over again.`,
      `"blockferry status ${group}" says how far it is.`,
    ]);
  }
  return ExitCode.ok;
}

async function consequences(state: string, path: string, group: string): Promise<string[]> {
  const report = await ask(state, { method: 'GET', path: `${path}/status`, answer: statusReportSchema });
  const sizes = report.groups.flatMap(({ volumes }) => volumes.map(({ size }) => size));
  const size = bytesText(sizes.reduce((sum, bytes) => sum + bytes, 0));
  return [
    `All that the volumes of group ${group} hold (of ${size}) goes over every link again; hosts go on.`,
    'Each destination takes a snapshot of what it has before it is overwritten; there is no other recovery point until the end.',
  ];
}
