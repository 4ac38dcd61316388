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
  readonly compare: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

export async function initialize(options: InitializeOptions): Promise<ExitCode> {
  const { state, group, compare } = options;
  const path = `/groups/${encodeURIComponent(group)}`;
  if (!options.yes) await confirm(await consequences(path, options));
  const { bytes } = await ask(state, {
    method: 'POST',
    path: `${path}/initialize`,
    body: { compare },
    answer: initializeAnswerSchema,
  });
  if (options.json) printJson({ group, bytes });
  else {
    print([
      compare
        ? `All that the volumes of group ${group} hold (of ${bytesText(bytes)}) is compared, and what differs is brought over.`
        : `All that the volumes of group ${group} hold (of ${bytesText(bytes)}) is brought over again.`,
      `"blockferry status ${group}" says how far it is.`,
    ]);
  }
  return ExitCode.ok;
}

async function consequences(path: string, { state, group, compare }: InitializeOptions): Promise<string[]> {
  const report = await ask(state, { method: 'GET', path: `${path}/status`, answer: statusReportSchema });
  const sizes = report.groups.flatMap(({ volumes }) => volumes.map(({ size }) => size));
  const size = bytesText(sizes.reduce((sum, bytes) => sum + bytes, 0));
  return [
    compare
      ? `All that the volumes of group ${group} hold (of ${size}) is compared with every destination's copy, and what differs goes over every link; hosts go on.`
      : `All that the volumes of group ${group} hold (of ${size}) goes over every link again; hosts go on.`,
    'Each destination takes a snapshot of what it has before it is overwritten; there is no other recovery point until the end.',
  ];
}
