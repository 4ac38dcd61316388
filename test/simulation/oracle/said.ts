/** What a source says of its volumes' ranges is what they hold, and neither side's disk is said to have changed by itself. */
import { createHash } from 'node:crypto';
import { isZero } from '../platform/zeros.ts';
import { Kind, type ModelRecord } from './model.ts';
import { newestCopy } from './two-copies.ts';
import { Violation } from './violation.ts';

/** As in the journal's format (journal/verify.ts), written down anew. */
const FIXED = 16;
const FROM_VOLUME = 1;

/** What is wrong with a record that speaks of a volume's range. `current`: what the volumes hold when it is appended. */
export function wronglySaid(record: ModelRecord, current: readonly Buffer[]): Violation | undefined {
  const { flags, kind, volume, offset, length, payload } = record;
  if (kind === Kind.verify) {
    const said = Number(payload.readBigUInt64BE(0));
    const content = current[volume]!.subarray(offset, offset + said);
    const right =
      payload.length === FIXED ? isZero(content) : digestOf(content).equals(payload.subarray(FIXED));
    if (right && content.length === said) return undefined;
    const text = `what is said of ${said} bytes at ${offset} of volume ${volume} is wrong`;
    return new Violation('I3-verify', text);
  }
  if ((flags & FROM_VOLUME) === 0 || (kind !== Kind.write && kind !== Kind.zero)) return undefined;
  const there = current[volume]!.subarray(offset, offset + length);
  if (kind === Kind.write ? there.equals(payload) : isZero(there)) return undefined;
  return new Violation('I3-copy', `the copy of ${length} bytes at ${offset} of volume ${volume} is wrong`);
}

/** Of a source whose disks are sound. `bytes`: of its `medium.json`. */
export function falseChange(bytes: Buffer): Violation | undefined {
  const [change] = (newestCopy(bytes) as { readonly changes: readonly unknown[] } | undefined)?.changes ?? [];
  if (change === undefined) return undefined;
  return new Violation('I3-false-alarm', `the source calls its own disk changed: ${JSON.stringify(change)}`);
}

function digestOf(content: Buffer): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, FIXED);
}
