import { Reader } from '../wire/reader.ts';
import { HEADER_LENGTH } from './header.ts';

/** Offsets in a message are counted from its header. This one stands behind it. */
export function bodyReader(message: Buffer, what: string): Reader {
  return new Reader(message, what).skip(HEADER_LENGTH);
}
