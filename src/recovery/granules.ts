/**
 * Which parts of a chunk are meant: sixteen bits, the lowest for its first 4 KiB (a *granule*). Pure.
 */

export const GRANULE_SIZE = 4096;
export const GRANULES_PER_CHUNK = 16;
export const CHUNK_SIZE = GRANULES_PER_CHUNK * GRANULE_SIZE;

/** A set of a chunk's granules. */
export type Granules = number & { readonly __brand: 'Granules' };

export const NO_GRANULES = 0 as Granules;

/** Those that bytes `start` to `end` of a chunk touch. */
export function granulesIn(start: number, end: number): Granules {
  if (end <= start) return NO_GRANULES;
  const [first, behind] = [Math.floor(start / GRANULE_SIZE), Math.ceil(end / GRANULE_SIZE)];
  return (2 ** behind - 2 ** first) as Granules;
}

export function both(a: Granules, b: Granules): Granules {
  return (a & b) as Granules;
}

export function either(a: Granules, b: Granules): Granules {
  return (a | b) as Granules;
}

export function without(a: Granules, b: Granules): Granules {
  return (a & ~b) as Granules;
}

/** Bytes of these granules of a chunk that has `chunkLength` bytes: its last one is as short as the volume makes it. */
export function bytesOf(granules: Granules, chunkLength: number): number {
  let bytes = 0;
  for (const { start, end } of spansOf(granules)) bytes += Math.max(0, Math.min(end, chunkLength) - start);
  return bytes;
}

/** Where they lie in their chunk, those that adjoin together, ascending. Bytes. */
export function spansOf(granules: Granules): { readonly start: number; readonly end: number }[] {
  const spans: { start: number; end: number }[] = [];
  for (let i = 0; i < GRANULES_PER_CHUNK; i += 1) {
    if ((granules & (1 << i)) === 0) continue;
    const [start, last] = [i * GRANULE_SIZE, spans.at(-1)];
    if (last?.end === start) last.end += GRANULE_SIZE;
    else spans.push({ start, end: start + GRANULE_SIZE });
  }
  return spans;
}
