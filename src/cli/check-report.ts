/** `verify --check REPORT`: whether a comparison's report is what its source signed. Needs no daemon. */
import { createReadStream } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { ANSWER_SIZE_MAX } from '../api/contract/limits.ts';
import { verificationReportSchema, type VerificationReport } from '../api/contract/verification.ts';
import { loadConfig } from '../config/load.ts';
import { describeProblem } from '../config/problems.ts';
import { signatureOf } from '../daemon/comparing/verify-report.ts';
import { describeError } from '../platform/errors.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { readKeyFile } from './key-file.ts';
import { paint, print, printJson } from './output.ts';
import { printable, timeText, type Paint } from './text.ts';
import { verificationLines } from './verify.ts';

export interface CheckReportCommand {
  /** A file, or `-` for standard input. */
  readonly report: string;
  /** Whom it must be of, if anybody. */
  readonly group: string | undefined;
  readonly config: string;
  readonly keyFile?: string;
  readonly json: boolean;
}

/**
 * Exits with 0 only when the report is proved to be what was signed, and says that nothing differed.
 * @throws CommandError `REPORT_INVALID`, `REPORT_OF_ANOTHER_GROUP`, `REPORT_NOT_AUTHENTIC`, `KEY_FILE_INVALID`, `KEY_UNKNOWN`
 */
export async function checkReport(command: CheckReportCommand): Promise<ExitCode> {
  const { signature, ...report } = parseReport(await readReport(command.report));
  const { group } = report;
  if (command.group !== undefined && command.group !== group.name) {
    const message = `the report is of group ${group.name}, not of ${command.group}`;
    throw refused('REPORT_OF_ANOTHER_GROUP', message, 'look for the report of that group');
  }
  const isProved = signature !== undefined;
  if (isProved && signatureOf(report, keyFor(group.name, command)) !== signature) {
    throw refused(
      'REPORT_NOT_AUTHENTIC',
      `the report is not what was signed: it was changed, or it was signed with another key than that of group ${group.name} here`,
      'do not rely on it; check with the key that the source had then, or compare again with `blockferry verify GROUP --full --wait --json`',
    );
  }
  if (command.json) printJson({ proved: isProved, report });
  else print(reportLines(report, isProved));
  if (!isProved) return ExitCode.invalid;
  return report.identical ? ExitCode.ok : ExitCode.differs;
}

function reportLines(report: VerificationReport, isProved: boolean): string[] {
  const { group, source, pass, endedAt } = report;
  // What nothing proves is not shown in green.
  const color: Paint = isProved ? paint : (_style, text) => text;
  return [
    isProved
      ? color('green', 'The report is whole and unchanged: it is signed with the key of its group.')
      : paint('red', 'Nothing proves the report: it is not signed, as a group without a key leaves it.'),
    `Comparison ${pass} of group ${printable(group.name)} (${printable(group.id)}, epoch ${group.epoch.number}), ` +
      `reported by ${printable(source)}, ended at ${timeText(endedAt)}.`,
    ...verificationLines(report, color),
  ];
}

async function readReport(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const input: AsyncIterable<Buffer> = path === '-' ? process.stdin : createReadStream(path);
    for await (const chunk of input) {
      size += chunk.length;
      if (size > ANSWER_SIZE_MAX) throw new RangeError(`it has more than ${ANSWER_SIZE_MAX} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw invalid(`the report ${path} cannot be read: ${describeError(error)}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Of what the contract has, and nothing else: the order is no part of it, and white space neither. */
function parseReport(text: string): VerificationReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the report is no JSON: ${describeError(error)}`);
  }
  const parsed = verificationReportSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(
      `the report is none of a comparison: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    );
  }
  // What is not signed must not be read as if it were.
  if (!isDeepStrictEqual(parsed.data, value))
    throw invalid('the report holds what no report of a comparison has');
  return parsed.data;
}

/** @throws CommandError `KEY_FILE_INVALID`, `KEY_UNKNOWN` */
function keyFor(group: string, { config, keyFile }: CheckReportCommand): Buffer {
  if (keyFile !== undefined) return readKeyFile(keyFile);
  const loaded = loadConfig(config);
  if ('problems' in loaded) {
    const [problem] = loaded.problems;
    throw keyUnknown(group, problem === undefined ? config : describeProblem(problem));
  }
  const key = loaded.config.groups.find(({ name }) => name === group)?.key;
  if (key === undefined) throw keyUnknown(group, `${config} has no such group, or no key-file for it`);
  return key;
}

const keyUnknown = (group: string, reason: string): CommandError =>
  refused(
    'KEY_UNKNOWN',
    `the report is signed, and cannot be checked without the key of group ${group}: ${reason}`,
    'give the configuration by --config FILE, or the key by --key-file FILE',
  );

const invalid = (message: string): CommandError =>
  refused('REPORT_INVALID', message, 'give what `blockferry verify GROUP --wait --json` printed');

const refused = (code: string, message: string, remedy: string): CommandError =>
  new CommandError(ExitCode.invalid, code, message, remedy);
