/**
 * What of one volume is in the journal but not yet in the volume, so that reads see acknowledged writes at once (I2).
 *
 * The extents lie in the order of their offsets, in leaves of some hundred, and in front of the leaves where each begins: to cut a
 * new one in takes two searches and moves a leaf's numbers, whatever the backlog and however far apart hosts write. When a raw
 * segment has been destaged, only the leaves that have something of it are looked through. Pure: no file is touched here.
 */

/** Extents of a leaf at most: one is cut in by moving half of 6 KiB, and a leaf of its own costs an extent next to nothing. */
const LEAF_EXTENTS = 256;
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
  /** None is empty. */
  readonly #leaves: Leaf[] = [];
  /** Where each leaf's first extent starts. */
  readonly #firsts: number[] = [];

  get extents(): number {
    return this.#leaves.reduce((sum, leaf) => sum + leaf.extents, 0);
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
    const leaves = this.#leaves;
    let kept = 0;
    for (const leaf of leaves) {
      leaf.drop(generation);
      if (leaf.extents === 0 || leaves[kept - 1]?.takeIn(leaf) === true) continue;
      leaves[kept] = leaf;
      this.#firsts[kept] = leaf.first;
      kept += 1;
    }
    leaves.length = this.#firsts.length = kept;
  }

  /** The range in pieces, in order, without gaps. */
  *lookup(offset: number, length: number): Generator<IndexedPiece> {
    const end = offset + length;
    for (let at = offset; at < end;) {
      const piece = this.pieceAt(at, end);
      yield piece;
      at = piece.end;
    }
  }

  /** The piece that starts at `at`, and goes no further than `end`. */
  pieceAt(at: number, end: number): IndexedPiece {
    const index = this.#leafOf(at);
    return (
      this.#leaves[index]?.pieceAt(at, end, this.#firsts[index + 1] ?? end) ?? {
        kind: 'volume',
        start: at,
        end,
      }
    );
  }

  /** The last leaf that starts at or before `at`; the first when none does. */
  #leafOf(at: number): number {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#firsts[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #add(start: number, end: number, generation: number, position: number): void {
    const [at, leaf] = this.#roomyLeaf(start);
    this.#cutBehind(at, end);
    leaf.cutIn(start, end, generation, position);
    this.#firsts[at] = leaf.first;
  }

  /** The one that an extent from `start` on is to be cut into. */
  #roomyLeaf(start: number): readonly [number, Leaf] {
    const at = this.#leafOf(start);
    const leaf = this.#leaves[at] ?? new Leaf();
    if (this.#leaves.length === 0) this.#leaves.push(leaf);
    if (leaf.isRoomy) return [at, leaf];
    const upper = leaf.split();
    this.#leaves.splice(at + 1, 0, upper);
    this.#firsts.splice(at + 1, 0, upper.first);
    return upper.first <= start ? [at + 1, upper] : [at, leaf];
  }

  /** What the leaves behind this one have up to `end` is overwritten. */
  #cutBehind(at: number, end: number): void {
    let next = at + 1;
    for (; (this.#firsts[next] ?? end) < end; next += 1) {
      const leaf = this.#leaves[next];
      leaf?.cutFront(end);
      if (leaf === undefined || leaf.extents === 0) continue;
      this.#firsts[next] = leaf.first;
      break;
    }
    if (next === at + 1) return;
    this.#leaves.splice(at + 1, next - at - 1);
    this.#firsts.splice(at + 1, next - at - 1);
  }
}

/** Extents in order that do not overlap: two numbers an extent in each array. */
class Leaf {
  /** Where it starts and ends, bytes in the volume. */
  readonly #spans = new Float64Array(2 * LEAF_EXTENTS);
  /** Its generation, and its position in that, below 2^31 both: a raw segment has 68 MiB at most, a frame fewer. */
  readonly #places = new Int32Array(2 * LEAF_EXTENTS);
  #count = 0;
  /** There is nothing here of an older generation. */
  #oldest = Number.MAX_SAFE_INTEGER;

  get extents(): number {
    return this.#count;
  }

  /** Where its first extent starts. */
  get first(): number {
    return this.#start(0);
  }

  /** Whether another extent can be cut in, which may make two of one that was there. */
  get isRoomy(): boolean {
    return this.#count <= LEAF_EXTENTS - 2;
  }

  /** Gives away its upper half. */
  split(): Leaf {
    const middle = LEAF_EXTENTS / 2;
    const upper = new Leaf();
    upper.#append(this, middle);
    this.#count = middle;
    return upper;
  }

  /** Everything of the next leaf, if that leaves room for as much again; otherwise false. */
  takeIn(next: Leaf): boolean {
    if (this.#count + next.#count > LEAF_EXTENTS / 2) return false;
    this.#append(next, 0);
    return true;
  }

  #append(other: Leaf, from: number): void {
    this.#spans.set(other.#spans.subarray(2 * from, 2 * other.#count), 2 * this.#count);
    this.#places.set(other.#places.subarray(2 * from, 2 * other.#count), 2 * this.#count);
    this.#count += other.#count - from;
    this.#oldest = Math.min(this.#oldest, other.#oldest);
  }

  /** As the index's; `next`: where the next leaf starts. */
  pieceAt(at: number, end: number, next: number): IndexedPiece {
    const i = this.#firstEndingAfter(at);
    const start = i < this.#count ? this.#start(i) : next;
    if (start > at || i === this.#count) return { kind: 'volume', start: at, end: Math.min(end, start) };
    const stop = Math.min(end, this.#stop(i));
    const position = this.#position(i);
    if (position === ZERO) return { kind: 'zero', start: at, end: stop };
    return {
      kind: 'journal',
      start: at,
      end: stop,
      generation: this.#generation(i),
      position: position + (at - start),
    };
  }

  /** Puts an extent in the place of what it covers here; what sticks out on either side stays. */
  cutIn(start: number, end: number, generation: number, position: number): void {
    const from = this.#firstEndingAfter(start);
    let to = from;
    while (to < this.#count && this.#start(to) < end) to += 1;
    const sticksOutBefore = from < to && this.#start(from) < start;
    const sticksOutBehind = from < to && this.#stop(to - 1) > end;
    const at = sticksOutBefore ? from + 1 : from;
    // One that sticks out on both sides is there twice then.
    this.#move(at + 1, sticksOutBehind ? to - 1 : to);
    if (sticksOutBefore) this.#spans[2 * from + 1] = start;
    if (sticksOutBehind) this.#startAt(at + 1, end);
    this.#spans[2 * at] = start;
    this.#spans[2 * at + 1] = end;
    this.#places[2 * at] = generation;
    this.#places[2 * at + 1] = position;
    this.#oldest = Math.min(this.#oldest, generation);
  }

  /** What lies before `end` goes. */
  cutFront(end: number): void {
    this.#move(0, this.#firstEndingAfter(end));
    if (this.#count > 0 && this.first < end) this.#startAt(0, end);
  }

  /** Extents of generations up to this one go. */
  drop(generation: number): void {
    if (this.#oldest > generation) return;
    this.#oldest = Number.MAX_SAFE_INTEGER;
    let kept = 0;
    let from = 0;
    const keepUpTo = (i: number): void => {
      if (i > from) this.#copy(kept, from, i);
      kept += i - from;
      from = i + 1;
    };
    for (let i = 0; i < this.#count; i += 1) {
      const own = this.#generation(i);
      if (own <= generation) keepUpTo(i);
      else if (own < this.#oldest) this.#oldest = own;
    }
    keepUpTo(this.#count);
    this.#count = kept;
  }

  /** The extents from `from` on are those from `to` on now. */
  #move(to: number, from: number): void {
    if (to !== from) this.#copy(to, from, this.#count);
    this.#count += to - from;
  }

  #copy(to: number, from: number, end: number): void {
    this.#spans.copyWithin(2 * to, 2 * from, 2 * end);
    this.#places.copyWithin(2 * to, 2 * from, 2 * end);
  }

  #start(i: number): number {
    return this.#spans[2 * i] ?? 0;
  }

  #stop(i: number): number {
    return this.#spans[2 * i + 1] ?? 0;
  }

  #generation(i: number): number {
    return this.#places[2 * i] ?? 0;
  }

  #position(i: number): number {
    return this.#places[2 * i + 1] ?? 0;
  }

  /** The extent at `i` has lost what lay before `start`. */
  #startAt(i: number, start: number): void {
    const position = this.#position(i);
    if (position !== ZERO) this.#places[2 * i + 1] = position + (start - this.#start(i));
    this.#spans[2 * i] = start;
  }

  /** Index of the first extent that ends after `at`. */
  #firstEndingAfter(at: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#stop(middle) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
