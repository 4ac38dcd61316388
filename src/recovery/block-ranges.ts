/** Sets of whole numbers as ranges, in order, none touching another. Pure. */
export class BlockRanges {
  /** Start and end of each, the end not in it. */
  readonly #edges: number[] = [];

  get count(): number {
    return this.#edges.length / 2;
  }

  add(start: number, end: number): void {
    const edges = this.#edges;
    // Those that [start, end) touches: from the first that ends at or behind its start to the last that begins at or before its end.
    const from = firstEndingFrom(edges, start);
    let to = from;
    while (to < edges.length && (edges[to] ?? 0) <= end) to += 2;
    if (to === from) {
      edges.splice(from, 0, start, end);
      return;
    }
    const first = Math.min(start, edges[from] ?? start);
    const last = Math.max(end, edges[to - 1] ?? end);
    edges.splice(from, to - from, first, last);
  }

  has(block: number): boolean {
    const at = firstEndingFrom(this.#edges, block + 1);
    return at < this.#edges.length && (this.#edges[at] ?? 0) <= block;
  }

  /** The parts of [start, end) that are in it, in order. */
  *within(start: number, end: number): Generator<{ readonly start: number; readonly end: number }> {
    for (let at = firstEndingFrom(this.#edges, start + 1); at < this.#edges.length; at += 2) {
      const first = this.#edges[at] ?? 0;
      if (first >= end) return;
      yield { start: Math.max(start, first), end: Math.min(end, this.#edges[at + 1] ?? 0) };
    }
  }
}

/** Index of the first range whose end is `position` or behind it. */
function firstEndingFrom(edges: readonly number[], position: number): number {
  let low = 0;
  let high = edges.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle * 2 + 1] ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}
