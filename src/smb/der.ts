/** The few DER types (X.690) that SPNEGO is made of, by hand. Every length is checked against what is there. */
import { malformed } from './errors.ts';

export const TAG_OCTETS = 0x04;
export const TAG_OID = 0x06;
export const TAG_ENUMERATED = 0x0a;
export const TAG_SEQUENCE = 0x30;
/** [APPLICATION 0], the frame of a first token (RFC 2743 3.1). */
export const TAG_APPLICATION = 0x60;
/** [n], constructed. */
export const context = (number: number): number => 0xa0 + number;

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
}

export function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, ...derLength(content.length)]), content]);
}

/** Short form below 128, else the fewest bytes that hold it. */
function derLength(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

/** The elements one after another. @throws SmbError `MALFORMED` */
export function derElements(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  let position = 0;
  while (position < bytes.length) {
    const { start, end } = extent(bytes, position);
    elements.push({ tag: bytes.readUInt8(position), content: bytes.subarray(start, end) });
    position = end;
  }
  return elements;
}

/** The content of the one element that there must be. @throws SmbError `MALFORMED` */
export function derOnly(bytes: Buffer, tag: number): Buffer {
  const [element, ...more] = derElements(bytes);
  if (element?.tag !== tag || more.length > 0) throw malformed('a log-on token of another form');
  return element.content;
}

/** Where the content of the element at `position` lies. */
function extent(bytes: Buffer, position: number): { start: number; end: number } {
  const first = bytes[position + 1];
  if (first === undefined) throw malformed('a log-on token that ends early');
  const count = first < 0x80 ? 0 : first & 0x7f;
  const start = position + 2 + count;
  // No token is longer than a 16-bit length in the packet around it.
  if (first === 0x80 || count > 3 || start > bytes.length)
    throw malformed('a log-on token with an odd length');
  const length = count === 0 ? first : bytes.readUIntBE(position + 2, count);
  if (start + length > bytes.length) throw malformed('a log-on token that ends early');
  return { start, end: start + length };
}
