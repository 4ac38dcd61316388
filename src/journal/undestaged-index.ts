/**
 * What of one volume is in the journal but not yet in the volume, so that reads see acknowledged writes at once (I2).
 *
 * The volume is divided into regions; a region's extents lie in one sorted array of numbers, four to an extent. Cutting
 * a new extent in costs a search and a splice of a small array, whatever the backlog. When a raw segment has been destaged, only the
 * regions that it touched are looked at. Pure: no file is touched here.
 */

/** Bytes of a region: in one that 4 KiB blocks fill, an extent is put in by moving 128 numbers on average. */
const REGION = 256 * 1024;
/** Numbers an extent takes: start, end (bytes in the volume), generation, position in its raw segment. */
const STRIDE = 4;
/** In place of a file position: the extent reads as zeros. */
const ZERO = -1;

/** A piece of a read: `position` is where the bytes lie in the generation's raw segment. */
export type IndexedPiece =
  | {
      readonly kind: 'journal';
      readonly start: number;
      readonly end: number;
      readonly generation: number;
      readonly position: number;
    }
  | { readonly kind: 'zero'; readonly start: number; readonly end: number }
  | { readonly kind: 'volume'; readonly start: number; readonly end: number };

export class UndestagedIndex {
  readonly #regions = new Map<number, number[]>();
  /** Generation → regions that it has extents in, or had before they were overwritten. */
  readonly #touched = new Map<number, Set<number>>();
  #extents = 0;

  get extents(): number {
    return this.#extents;
  }

  /** `length` bytes at `offset` are now at `position` of a raw segment. Generations count up with the raw segments. */
  addWrite(offset: number, length: number, generation: number, position: number): void {
    this.#add(offset, offset + length, generation, position);
  }

  addZero(offset: number, length: number, generation: number): void {
    this.#add(offset, offset + length, generation, ZERO);
  }

  /** Everything of generations up to this one is in the volume. */
  drop(generation: number): void {
    for (const [candidate, regions] of this.#touched) {
      if (candidate > generation) continue;
      for (const region of regions) this.#dropFrom(region, generation);
      this.#touched.delete(candidate);
    }
  }

  /** The range in pieces, in order, without gaps. */
  *lookup(offset: number, length: number): Generator<IndexedPiece> {
    const end = offset + length;
    let at = offset;
    for (let region = Math.floor(offset / REGION); region * REGION < end; region += 1) {
      const extents = this.#regions.get(region);
      if (extents === undefined) continue;
      for (let i = firstEndingAfter(extents, at); i < extents.length; i += STRIDE) {
        const start = Math.max(at, extents[i] ?? 0);
        const stop = Math.min(end, extents[i + 1] ?? 0);
        if (start >= end) break;
        if (start > at) yield { kind: 'volume', start: at, end: start };
        const position = extents[i + 3] ?? 0;
        yield position === ZERO
          ? { kind: 'zero', start, end: stop }
          : {
              kind: 'journal',
              start,
              end: stop,
              generation: extents[i + 2] ?? 0,
              position: position + (start - (extents[i] ?? 0)),
            };
        at = stop;
      }
    }
    if (at < end) yield { kind: 'volume', start: at, end };
  }

  #add(start: number, end: number, generation: number, position: number): void {
    let touched = this.#touched.get(generation);
    if (touched === undefined) this.#touched.set(generation, (touched = new Set()));
    for (let at = start; at < end;) {
      const region = Math.floor(at / REGION);
      const stop = Math.min(end, (region + 1) * REGION);
      let extents = this.#regions.get(region);
      if (extents === undefined) this.#regions.set(region, (extents = []));
      const before = extents.length;
      cutIn(extents, at, stop, generation, position === ZERO ? ZERO : position + (at - start));
      this.#extents += (extents.length - before) / STRIDE;
      touched.add(region);
      at = stop;
    }
  }

  #dropFrom(region: number, generation: number): void {
    const extents = this.#regions.get(region);
    if (extents === undefined) return;
    let kept = 0;
    for (let i = 0; i < extents.length; i += STRIDE) {
      if ((extents[i + 2] ?? 0) <= generation) continue;
      if (kept !== i) move(extents, i, kept);
      kept += STRIDE;
    }
    this.#extents -= (extents.length - kept) / STRIDE;
    extents.length = kept;
    if (kept === 0) this.#regions.delete(region);
  }
}

/** Index of the first extent that ends after `at`. */
function firstEndingAfter(extents: readonly number[], at: number): number {
  let low = 0;
  let high = extents.length / STRIDE;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((extents[middle * STRIDE + 1] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low * STRIDE;
}

/*
 * Numbers are moved by hand: on an array that is no typed one `copyWithin` and `splice` take ten times as long, and typed ones
 * take four times the memory where a region has one extent.
 */

/** The extent at `from` to `to`. */
function move(extents: number[], from: number, to: number): void {
  for (let i = 0; i < STRIDE; i += 1) extents[to + i] = extents[from + i] ?? 0;
}

/** Puts `by` in the place of what lies in [from, to). */
function replace(extents: number[], from: number, to: number, by: readonly number[]): void {
  const before = extents.length;
  const shift = by.length - (to - from);
  if (shift > 0) {
    for (let i = 0; i < shift; i += 1) extents.push(0);
    for (let i = before - 1; i >= to; i -= 1) extents[i + shift] = extents[i] ?? 0;
  } else if (shift < 0) {
    for (let i = to; i < before; i += 1) extents[i + shift] = extents[i] ?? 0;
    extents.length = before + shift;
  }
  for (let i = 0; i < by.length; i += 1) extents[from + i] = by[i] ?? 0;
}

/** Replaces what [start, end) covers; what sticks out on either side stays. */
function cutIn(extents: number[], start: number, end: number, generation: number, position: number): void {
  const from = firstEndingAfter(extents, start);
  let to = from;
  while (to < extents.length && (extents[to] ?? 0) < end) to += STRIDE;
  if (to === from + STRIDE && extents[from] === start && extents[from + 1] === end) {
    extents[from + 2] = generation;
    extents[from + 3] = position;
    return;
  }
  const replacement = [start, end, generation, position];
  if (to > from) {
    const firstStart = extents[from] ?? 0;
    const lastEnd = extents[to - STRIDE + 1] ?? 0;
    const lastStart = extents[to - STRIDE] ?? 0;
    const lastPosition = extents[to - 1] ?? 0;
    if (lastEnd > end) {
      const shifted = lastPosition === ZERO ? ZERO : lastPosition + (end - lastStart);
      replacement.push(end, lastEnd, extents[to - 2] ?? 0, shifted);
    }
    if (firstStart < start) {
      replacement.unshift(firstStart, start, extents[from + 2] ?? 0, extents[from + 3] ?? 0);
    }
  }
  replace(extents, from, to, replacement);
}
