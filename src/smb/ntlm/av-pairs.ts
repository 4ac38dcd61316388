/** AV_PAIR lists (MS-NLMP 2.2.2.1): what a server tells of itself, and what the client adds. */
import { malformed } from '../errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

export const AV_END = 0x0000;
export const AV_FLAGS = 0x0006;
export const AV_TIMESTAMP = 0x0007;
export const AV_TARGET_NAME = 0x0009;
export const AV_CHANNEL_BINDINGS = 0x000a;
/** In AV_FLAGS: the AUTHENTICATE message has a MIC. */
export const AV_FLAG_MIC = 0x00000002;

/** A list has a handful; more is no server's. */
const PAIRS_MAX = 32;
/** Bytes. Names of some hundred bytes each; the answer, which repeats them, must fit a 16-bit length. */
const LIST_MAX = 16 * 1024;

export interface AvPair {
  readonly id: number;
  readonly value: Buffer;
}

/** Without the end. @throws SmbError `MALFORMED` */
export function decodeAvPairs(bytes: Buffer): AvPair[] {
  if (bytes.length > LIST_MAX) throw malformed(`${bytes.length} bytes of target information`);
  const reader = new Reader(bytes, 'the log-on’s target information');
  const pairs: AvPair[] = [];
  for (;;) {
    const id = reader.u16();
    const value = reader.bytes(reader.u16());
    if (id === AV_END) return pairs;
    if (pairs.length === PAIRS_MAX) throw malformed(`more than ${PAIRS_MAX} pairs of target information`);
    pairs.push({ id, value });
  }
}

export function encodeAvPairs(pairs: readonly AvPair[]): Buffer {
  const size = pairs.reduce((sum, { value }) => sum + 4 + value.length, 4);
  const writer = new Writer(size);
  for (const { id, value } of pairs) writer.u16(id).u16(value.length).bytes(value);
  return writer.u16(AV_END).u16(0).done();
}
