import { statusReportSchema } from '../api/contract/status-schema.ts';
import {
  acceptedSchema,
  verificationBegunSchema,
  verificationProgressSchema,
  type SourceChange,
  type VerificationOutcome,
  type VerificationProgress,
  type VerificationReport,
} from '../api/contract/verification.ts';
import { ask } from './client.ts';
import { confirm } from './confirm.ts';
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

export interface AcceptCommand {
  readonly state: string;
  readonly group: string;
  readonly yes: boolean;
  readonly json: boolean;
}

/** What the source holds though no host wrote it is right: that is sent where destinations hold something else. */
export async function acceptSourceChanges({ state, group, yes, json }: AcceptCommand): Promise<ExitCode> {
  const path = `/groups/${encodeURIComponent(group)}`;
  const report = await ask(state, { method: 'GET', path: `${path}/status`, answer: statusReportSchema });
  const status = report.groups[0];
  const changes = status?.role === 'source' ? (status.verification?.sourceChanges ?? []) : [];
  if (changes.length > 0 && !yes) {
    await confirm([
      `What destinations of group ${group} hold there is overwritten with what its source holds:`,
      ...changes.map(changeLine),
    ]);
  }
  const { accepted } = await ask(state, {
    method: 'POST',
    path: `${path}/source-changes/accept`,
    body: { upTo: Math.max(0, ...changes.map(({ lsn }) => lsn)) },
    answer: acceptedSchema,
  });
  if (json) printJson({ accepted });
  else if (accepted.length === 0) print(['There is nothing to accept: no host’s volume changed by itself.']);
  else print(['Accepted as right:', ...accepted.map(changeLine)]);
  return ExitCode.ok;
}

function changeLine({ volume, offset, length, knownLsn, lsn }: SourceChange): string {
  return `  ${bytesText(length)} at byte ${offset} of ${printable(volume)}, changed between LSN ${knownLsn} and ${lsn}`;
}

export function verificationLines(report: VerificationReport, color: Paint): string[] {
  const took = durationText((report.endedAt - report.beganAt) / 1000);
  const volumes = report.group.volumes.map(({ name }) => printable(name)).join(', ');
  return [
    `Group ${printable(report.group.name)}, ${bytesText(report.bytes)} of ${bytesText(report.totalBytes)} in ${volumes}, ` +
      `read from ${timeText(report.beganAt)} on in ${took}, at LSN ${report.firstLsn} to ${report.lastLsn}.`,
    ...report.outcomes.flatMap((outcome) => outcomeLines(outcome, color)),
    ...(report.sourceChanges.length === 0
      ? []
      : [
          color('red', 'The source’s own disk changed outside any write:'),
          ...report.sourceChanges.map(changeLine),
        ]),
    report.identical
      ? color('green', 'Every replica was what its source was.')
      : `${color('red', 'Not proved:')} ${reasonText(report)}`,
  ];
}

function outcomeLines(
  { destination, comparedBytes, differed, ranges, fromMedium }: VerificationOutcome,
  color: Paint,
): string[] {
  const memory = fromMedium ? '' : ' (partly from memory, not from the disk)';
  const came =
    differed === 0
      ? color('green', 'nothing differs')
      : color('red', `${countText(differed, 'range')} differed`);
  return [
    `  ${printable(destination)}: ${bytesText(comparedBytes)} compared${memory}, ${came}`,
    ...ranges.map(
      ({ volume, offset, length, side }) =>
        `    ${bytesText(length)} at byte ${offset} of ${printable(volume)}: ${SIDES[side]}`,
    ),
  ];
}

const SIDES = {
  source: 'the source’s disk changed; it is not sent',
  destination: 'the disk there changed',
  unknown: 'whose disk changed is not known',
} as const;

function reasonText({ outcomes, bytes, totalBytes, sourceChanges }: VerificationReport): string {
  if (outcomes.length === 0) return 'the group has no destination.';
  if (sourceChanges.length > 0)
    return 'put right what changed on the source’s disk, then say blockferry verify GROUP --accept.';
  if (outcomes.some(({ differed }) => differed > 0)) return 'what differed is sent again; compare once more.';
  if (bytes < totalBytes) return 'it went on with what another comparison had left; begin again with --full.';
  return 'a part could not be compared, after a crash there or as it was coalesced away; begin again with --full.';
}
