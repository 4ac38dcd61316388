/** `inspect SEGMENT…`: what sealed segments say of themselves, and whether it is true. Needs no daemon. */
import { basename } from 'node:path';
import { parseSealedName } from '../journal/names.ts';
import { openSegment } from '../journal/segment/reader.ts';
import { SegmentRefused, type SegmentHeader, type SegmentReader } from '../journal/segment/segment.ts';
import { OperatorError } from '../platform/errors.ts';
import { nodeFiles } from '../platform/node/files.ts';
import { ExitCode } from './exit-codes.ts';
import { reporterFor, type InspectReporter } from './inspect-report.ts';
import { readKeyFile } from './key-file.ts';

export interface InspectOptions {
  readonly segments: readonly string[];
  readonly records: boolean;
  readonly keyFile: string | undefined;
  readonly json: boolean;
}

/** Looks at every segment, whatever is wrong with one of them; the exit code tells the worst. */
export function inspect({ segments, records, keyFile, json }: InspectOptions): ExitCode {
  const key = keyFile === undefined ? undefined : readKeyFile(keyFile);
  const reporter = reporterFor(json);
  let [refused, unreadable] = [false, false];
  for (const path of segments) {
    try {
      inspectOne(path, { key, records }, reporter);
    } catch (error) {
      if (error instanceof SegmentRefused) refused = true;
      else unreadable = true;
      reporter.refused(path, error instanceof OperatorError ? error : cannotRead(path, error));
    }
  }
  if (refused) return ExitCode.invalid;
  return unreadable ? ExitCode.failure : ExitCode.ok;
}

interface OneOptions {
  readonly key: Buffer | undefined;
  readonly records: boolean;
}

function inspectOne(path: string, { key, records }: OneOptions, reporter: InspectReporter): void {
  const reader = openSegment(nodeFiles, path, key);
  try {
    reporter.header(path, reader.header, reader.totals);
    checkName(path, reader.header);
    // Records are printed before the verdict, so that of a damaged segment what comes before the damage is seen.
    if (records) reportRecords(path, reader, reporter);
    else reader.verify();
    reporter.verified(path);
  } finally {
    reader.close();
  }
}

function reportRecords(path: string, reader: SegmentReader, reporter: InspectReporter): void {
  for (const frame of reader.frames()) reporter.records(path, frame);
}

/** Only of a file that has a segment's name: one that was set aside or copied may be called anything. */
function checkName(path: string, header: SegmentHeader): void {
  const named = parseSealedName(basename(path));
  if (named === undefined) return;
  if (named.epoch === header.epoch.number && named.first === header.first && named.last === header.last)
    return;
  throw new SegmentRefused(
    'FOREIGN',
    `${path} holds epoch ${header.epoch.number}, LSN ${header.first} to ${header.last}, which is not what its name says`,
    'it was renamed; a destination refuses it and asks for the right one again',
  );
}

function cannotRead(path: string, error: unknown): OperatorError {
  const reason = error instanceof Error ? error.message : String(error);
  return new OperatorError('SEGMENT_UNREADABLE', `${path} cannot be read: ${reason}`, {
    remedy: 'check the path, and that this user may read it',
  });
}
