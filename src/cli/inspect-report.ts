/** What `inspect` prints: indented lines for people, one JSON object a line for programs. */
import type { JournalRecord } from '../journal/record.ts';
import type { SegmentHeader, SegmentTotals } from '../journal/segment/segment.ts';
import type { OperatorError } from '../platform/errors.ts';
import { headerLines, recordLine, recordView } from './inspect-text.ts';
import { paint, print, printJson } from './output.ts';

/** Called for each segment in this order; `refused` in place of whatever is left. */
export interface InspectReporter {
  header(path: string, header: SegmentHeader, totals: SegmentTotals): void;
  records(path: string, frame: readonly JournalRecord[]): void;
  verified(path: string): void;
  refused(path: string, error: OperatorError): void;
}

export function reporterFor(json: boolean): InspectReporter {
  return json ? jsonReporter : humanReporter;
}

const humanReporter: InspectReporter = {
  header(path, header, totals) {
    print([paint('bold', path), ...headerLines(header, totals).map((line) => `  ${line}`)]);
  },
  records(_path, frame) {
    print(frame.map((record) => `  ${recordLine(recordView(record))}`));
  },
  verified() {
    print([`  ${paint('green', 'verified')}: every checksum holds`]);
  },
  refused(_path, { code, message, remedy }) {
    print([`  ${paint('red', `refused, ${code}`)}: ${message}`, `  What to do: ${remedy}`]);
  },
};

/** `type` is `segment`, `record`, `verified` or `refused`. */
const jsonReporter: InspectReporter = {
  header: (path, header, totals) => printJson({ type: 'segment', path, header, totals }),
  records(path, frame) {
    for (const record of frame) printJson({ type: 'record', path, ...recordView(record) });
  },
  verified: (path) => printJson({ type: 'verified', path }),
  refused: (path, { code, message, remedy }) => printJson({ type: 'refused', path, code, message, remedy }),
};
