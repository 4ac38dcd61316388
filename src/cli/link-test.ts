import { linkTestReportSchema, type LinkTestReport } from '../api/contract/link-test.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { bytesText, columns, printable, type Paint } from './text.ts';

export interface LinkTestCommand {
  readonly state: string;
  readonly group: string;
  readonly destination: string;
  readonly json: boolean;
}

export async function testLink({ state, group, destination, json }: LinkTestCommand): Promise<ExitCode> {
  const report = await ask(state, {
    method: 'POST',
    path: `/groups/${encodeURIComponent(group)}/destinations/${encodeURIComponent(destination)}/test`,
    answer: linkTestReportSchema,
  });
  if (json) printJson(report);
  else print(linkTestLines(report, paint));
  return report.steps.some(({ failure }) => failure !== undefined) ? ExitCode.failure : ExitCode.ok;
}

type Step = LinkTestReport['steps'][number];

const STEPS: Readonly<Record<Step['name'], string>> = {
  connect: 'connect, log in and find the folder',
  write: 'write a file and rename it',
  read: 'read it back',
  replace: 'replace it by another',
  list: 'see it listed',
  speed: 'send larger and larger files',
  delete: 'delete it',
};

export function linkTestLines(report: LinkTestReport, color: Paint): string[] {
  const failed = report.steps.find(({ failure }) => failure !== undefined);
  const { latency, speed } = report;
  return [
    printable(report.server),
    ...columns(report.steps.map((step) => ['', STEPS[step.name], outcome(step, color)])),
    ...(latency === undefined ? [] : [`A small request takes ${timeOf(latency)}.`]),
    ...(speed === undefined
      ? []
      : [`Files arrive at ${bytesText(speed.bytesPerSecond)}/s (one of ${bytesText(speed.bytes)}).`]),
    failed === undefined
      ? color('green', 'The link works.')
      : `${color('red', 'The link does not work:')} ${sentence(failed.failure ?? '')}`,
  ];
}

const outcome = ({ milliseconds, failure }: Step, color: Paint): string =>
  failure === undefined ? `${color('green', 'ok')}, ${timeOf(milliseconds)}` : color('red', 'failed');

const timeOf = (milliseconds: number): string =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

const sentence = (text: string): string => `${printable(text).replace(/\.$/, '')}.`;
