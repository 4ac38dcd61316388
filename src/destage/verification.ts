/** What a destination knows of its volumes after a verify record. Pure. */
import type { JournalRecord } from '../journal/record.ts';
import { DIFFERING_MAX, type DifferingRange, type Verification } from '../journal/verification.ts';
import type { VerifyPayload } from '../journal/verify.ts';
import type { Comparison } from './comparing.ts';

/** `comparison` undefined: the record could not be compared. */
export function afterVerify(
  before: Verification,
  record: JournalRecord,
  payload: VerifyPayload,
  comparison: Comparison | undefined,
): Verification {
  const counted = countIn(before, payload, comparison);
  if (comparison === undefined) return counted;
  const place = { volume: record.volume, offset: record.offset, length: payload.length };
  const known = counted.differing.filter((range) => isInside(range, place));
  const others = counted.differing.filter((range) => !known.includes(range));
  const oldAt = (offset: number): DifferingRange | undefined => known.find((old) => old.offset === offset);
  const bad = comparison.differing.map((range) => ({
    ...range,
    volume: record.volume,
    lsn: oldAt(range.offset)?.lsn ?? record.lsn,
  }));
  return {
    ...counted,
    differing: [...others, ...bad].slice(0, DIFFERING_MAX),
    found: counted.found + bad.filter(({ offset }) => oldAt(offset) === undefined).length,
    mended: counted.mended + known.filter((old) => bad.every(({ offset }) => offset !== old.offset)).length,
  };
}

function countIn(
  before: Verification,
  { pass, length }: VerifyPayload,
  comparison: Comparison | undefined,
): Verification {
  if (pass === 0) return before;
  const fresh = { pass, comparedBytes: 0, skippedBytes: 0, differed: 0, fromMedium: true };
  const counted = before.pass === pass ? before : { ...before, ...fresh };
  if (comparison === undefined) return { ...counted, skippedBytes: counted.skippedBytes + length };
  return {
    ...counted,
    comparedBytes: counted.comparedBytes + length,
    differed: counted.differed + comparison.differing.length,
    fromMedium: counted.fromMedium && comparison.fromMedium,
  };
}

type Place = Pick<DifferingRange, 'volume' | 'offset' | 'length'>;

function isInside(range: Place, place: Place): boolean {
  return (
    range.volume === place.volume &&
    range.offset >= place.offset &&
    range.offset + range.length <= place.offset + place.length
  );
}
