/** Mutations that know nothing of a format, as AFL and libFuzzer make them. Pure but for the numbers handed in. */
import type { Prng } from './prng.ts';
import type { MutationTools } from './target.ts';

/** Where integers overflow, change sign or stop being exact. */
const INTERESTING: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 8n, 16n, 32n, 64n, 100n, 127n, 128n, 255n, 256n, 511n, 512n, 1000n, 1024n, 4096n],
  ...[32767n, 32768n, 65535n, 65536n, 1n << 24n, (1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n],
  ...[(1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n],
];
const WIDTHS = [1, 2, 4, 8] as const;
const ARITHMETIC_MAX = 35;
const INSERT_MAX = 32;

type Step = (bytes: Buffer, tools: MutationTools) => Buffer;

const STEPS: readonly Step[] = [
  flipBit,
  setByte,
  addToInteger,
  addToInteger,
  setInteger,
  setInteger,
  remove,
  remove,
  duplicate,
  insertBytes,
  overwriteByPart,
  splice,
  insertWord,
  overwriteByWord,
  overwriteByWord,
  changeNumber,
];

/** One to eight mutations of `input`, which stays as it is. */
export function mutate(input: Buffer, tools: MutationTools): Buffer {
  let bytes = Buffer.from(input);
  for (let steps = 1 << tools.prng.below(4); steps > 0; steps -= 1) {
    bytes = tools.prng.pick(STEPS)(bytes, tools) as Buffer<ArrayBuffer>;
  }
  return bytes;
}

function flipBit(bytes: Buffer, { prng }: MutationTools): Buffer {
  const at = prng.below(bytes.length + 1);
  if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
  return bytes;
}

function setByte(bytes: Buffer, { prng }: MutationTools): Buffer {
  const at = prng.below(bytes.length + 1);
  if (at < bytes.length) bytes[at] = prng.next();
  return bytes;
}

function addToInteger(bytes: Buffer, { prng }: MutationTools): Buffer {
  const change = BigInt(prng.below(2 * ARITHMETIC_MAX + 1) - ARITHMETIC_MAX);
  return changeInteger(bytes, prng, (value) => value + change);
}

function setInteger(bytes: Buffer, { prng }: MutationTools): Buffer {
  const value = prng.pick(INTERESTING);
  return changeInteger(bytes, prng, () => value);
}

/** Of either byte order, at any place. */
function changeInteger(bytes: Buffer, prng: Prng, change: (value: bigint) => bigint): Buffer {
  const width = prng.pick(WIDTHS);
  if (bytes.length < width) return bytes;
  const at = prng.below(bytes.length - width + 1);
  const little = prng.oneIn(4);
  let value = 0n;
  for (let i = 0; i < width; i += 1)
    value = (value << 8n) | BigInt(bytes[little ? at + width - 1 - i : at + i] ?? 0);
  value = change(value);
  for (let i = 0; i < width; i += 1) {
    bytes[little ? at + i : at + width - 1 - i] = Number(value & 0xffn);
    value >>= 8n;
  }
  return bytes;
}

/** A part of what is there; short ones are likelier. */
function part(bytes: Buffer, prng: Prng): { readonly start: number; readonly end: number } {
  const start = prng.below(bytes.length + 1);
  const longest = prng.oneIn(4) ? bytes.length - start : Math.min(bytes.length - start, INSERT_MAX);
  return { start, end: start + prng.below(longest + 1) };
}

function insert(bytes: Buffer, at: number, more: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
}

function remove(bytes: Buffer, { prng }: MutationTools): Buffer {
  const { start, end } = part(bytes, prng);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
}

function duplicate(bytes: Buffer, { prng }: MutationTools): Buffer {
  const { start, end } = part(bytes, prng);
  return insert(bytes, prng.below(bytes.length + 1), bytes.subarray(start, end));
}

function insertBytes(bytes: Buffer, { prng }: MutationTools): Buffer {
  const count = 1 + prng.below(INSERT_MAX);
  const more = prng.oneIn(2) ? prng.bytes(count) : Buffer.alloc(count, prng.next());
  return insert(bytes, prng.below(bytes.length + 1), more);
}

function overwriteByPart(bytes: Buffer, { prng }: MutationTools): Buffer {
  const { start, end } = part(bytes, prng);
  bytes.copy(bytes, prng.below(bytes.length + 1), start, end);
  return bytes;
}

/** A part of another input in place of, or in front of, what is there. */
function splice(bytes: Buffer, { prng, other }: MutationTools): Buffer {
  const { start, end } = part(other, prng);
  const at = prng.below(bytes.length + 1);
  if (prng.oneIn(2)) return insert(bytes, at, other.subarray(start, end));
  if (prng.oneIn(2)) return Buffer.concat([bytes.subarray(0, at), other.subarray(start)]);
  other.copy(bytes, at, start, end);
  return bytes;
}

function insertWord(bytes: Buffer, { prng, words }: MutationTools): Buffer {
  return words.length === 0 ? bytes : insert(bytes, prng.below(bytes.length + 1), prng.pick(words));
}

function overwriteByWord(bytes: Buffer, { prng, words }: MutationTools): Buffer {
  if (words.length > 0) prng.pick(words).copy(bytes, prng.below(bytes.length + 1));
  return bytes;
}

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** A number written in digits becomes another one. */
function changeNumber(bytes: Buffer, { prng }: MutationTools): Buffer {
  const isDigit = (at: number): boolean => (bytes[at] ?? 0) >= DIGIT_0 && (bytes[at] ?? 0) <= DIGIT_9;
  let start = prng.below(bytes.length + 1);
  while (start < bytes.length && !isDigit(start)) start += 1;
  if (start >= bytes.length) return bytes;
  let end = start;
  while (isDigit(end)) end += 1;
  const written = prng.oneIn(3) ? `${prng.next()}` : `${prng.pick(INTERESTING)}`;
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(written), bytes.subarray(end)]);
}
