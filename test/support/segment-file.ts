import type { SegmentHeader, SegmentTotals } from '../../src/journal/segment/segment.ts';
import { SegmentWriter, type EncodedRecord, type SegmentOptions } from '../../src/journal/segment/writer.ts';
import type { Files } from '../../src/platform/files.ts';

/** Writes a sealed segment to `path`, which must not exist, and syncs it. */
export function writeSegment(
  files: Files,
  path: string,
  facts: Omit<SegmentHeader, 'encrypted' | 'compressed'>,
  records: readonly EncodedRecord[],
  dataBytes: number,
  options: SegmentOptions,
): SegmentTotals {
  const file = files.open(path, 'create-new');
  try {
    const writer = new SegmentWriter(file, facts, options);
    for (const record of records) writer.add(record);
    const totals = writer.finish(dataBytes);
    file.syncNow();
    return totals;
  } finally {
    file.close();
  }
}
