/** What a destination says of a window of compare records: in its state file and its status file. Pure. */
import { z } from 'zod';
import { COMPARE_WINDOW_MAX, type ComparePayload } from './compare.ts';
import type { Lsn } from './ids.ts';
import { RegionBits } from './region-bits.ts';

const BITS_SIZE_MAX = COMPARE_WINDOW_MAX / 8;
const TEXT_MAX = 4 * Math.ceil(BITS_SIZE_MAX / 3);

/** One bit for each piece, the lowest of the first byte is piece 0, in base64; what lies behind the end is 0. */
export interface CompareAnswer {
  readonly window: Lsn;
  /** What could be compared, at the record that asked for it. */
  readonly compared: string;
  /** What of it is something else here. */
  readonly differing: string;
}

const bits = z.base64().max(TEXT_MAX);

export const compareAnswerSchema = z.strictObject({
  window: z
    .number()
    .int()
    .nonnegative()
    .transform((value) => value as Lsn),
  compared: bits,
  differing: bits,
});

/** After a record; `differs` undefined: it could not be compared. Of an older window nothing is kept. */
export function withCompared(
  before: CompareAnswer | undefined,
  { window, first }: Pick<ComparePayload, 'window' | 'first'>,
  differs: readonly boolean[] | undefined,
): CompareAnswer {
  const known = before?.window === window ? before : { window, compared: '', differing: '' };
  if (differs === undefined) return known;
  const end = first + differs.length;
  const [compared, differing] = [pieceBits(known.compared, end), pieceBits(known.differing, end)];
  for (const [i, isOther] of differs.entries()) {
    compared.set(first + i, true);
    differing.set(first + i, isOther);
  }
  return { window, compared: textOf(compared), differing: textOf(differing) };
}

/** At least so many pieces. */
export function pieceBits(text: string, count: number): RegionBits {
  const told = Buffer.from(text, 'base64').subarray(0, BITS_SIZE_MAX);
  const bytes = new Uint8Array(Math.max(told.length, Math.ceil(count / 8)));
  bytes.set(told);
  return new RegionBits(bytes, bytes.length * 8);
}

function textOf({ bytes }: RegionBits): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
