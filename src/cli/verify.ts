import {
  verificationBegunSchema,
  verificationProgressSchema,
  type VerificationProgress,
  type VerificationReport,
} from '../api/contract/verification.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { paint, print, printJson } from './output.ts';
import { bytesText, countText, durationText, printable, timeText, type Paint } from './text.ts';

/** Milliseconds between looks at how far it is. */
const LOOK = 500;

export interface VerifyCommand {
  readonly state: string;
  readonly group: string;
  readonly full: boolean;
  readonly wait: boolean;
  readonly json: boolean;
}

export async function verify({ state, group, full, wait, json }: VerifyCommand): Promise<ExitCode> {
  const path = `/groups/${encodeURIComponent(group)}/verifications`;
  const { pass } = await ask(state, {
    method: 'POST',
    path,
    body: { full },
    answer: verificationBegunSchema,
  });
  if (!wait) {
    if (json) printJson({ pass });
    else
      print([
        `Comparison ${pass} of group ${group} has begun; blockferry status ${group} shows how far it is.`,
      ]);
    return ExitCode.ok;
  }
  const look = (): Promise<VerificationProgress> =>
    ask(state, { method: 'GET', path: `${path}/${pass}`, answer: verificationProgressSchema });
  let progress = await look();
  while (progress.state !== 'complete') {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    progress = await look();
  }
  const { report } = progress;
  if (json) printJson(report);
  else print(verificationLines(report, paint));
  return report.identical ? ExitCode.ok : ExitCode.differs;
}

export function verificationLines(report: VerificationReport, color: Paint): string[] {
  const took = durationText((report.endedAt - report.beganAt) / 1000);
  const volumes = report.group.volumes.map(({ name }) => printable(name)).join(', ');
  return [
    `Group ${printable(report.group.name)}, ${bytesText(report.bytes)} of ${bytesText(report.totalBytes)} in ${volumes}, ` +
      `read from ${timeText(report.beganAt)} on in ${took}, at LSN ${report.firstLsn} to ${report.lastLsn}.`,
    ...report.outcomes.map(
      ({ destination, comparedBytes, differed, fromMedium }) =>
        `  ${printable(destination)}: ${bytesText(comparedBytes)} compared${fromMedium ? '' : ' (partly from memory, not from the disk)'}, ` +
        (differed === 0
          ? color('green', 'nothing differs')
          : color('red', `${countText(differed, 'range')} differed`)),
    ),
    report.identical
      ? color('green', 'Every replica was what its source was.')
      : `${color('red', 'Not proved:')} ${reasonText(report)}`,
  ];
}

function reasonText({ outcomes, bytes, totalBytes }: VerificationReport): string {
  if (outcomes.length === 0) return 'the group has no destination.';
  if (outcomes.some(({ differed }) => differed > 0)) return 'what differed is sent again; compare once more.';
  if (bytes < totalBytes) return 'it went on with what another comparison had left; begin again with --full.';
  return 'a part could not be compared, after a crash there or as it was coalesced away; begin again with --full.';
}
