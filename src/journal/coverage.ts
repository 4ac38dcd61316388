/** A set of bytes as sorted, disjoint ranges that do not touch: start, end, start, end… */
export class Coverage {
  readonly #bounds: number[] = [];

  contains(start: number, end: number): boolean {
    const from = this.#firstEndingAtOrAfter(end);
    return from < this.#bounds.length && (this.#bounds[from] ?? 0) <= start;
  }

  add(start: number, end: number): void {
    const from = this.#firstEndingAtOrAfter(start);
    let to = from;
    let [newStart, newEnd] = [start, end];
    while (to < this.#bounds.length && (this.#bounds[to] ?? 0) <= end) {
      newStart = Math.min(newStart, this.#bounds[to] ?? 0);
      newEnd = Math.max(newEnd, this.#bounds[to + 1] ?? 0);
      to += 2;
    }
    this.#bounds.splice(from, to - from, newStart, newEnd);
  }

  remove(start: number, end: number): void {
    if (end <= start) return;
    const from = this.#firstEndingAtOrAfter(start + 1);
    let to = from;
    while (to < this.#bounds.length && (this.#bounds[to] ?? 0) < end) to += 2;
    if (to === from) return;
    const [firstStart, lastEnd] = [this.#bounds[from] ?? 0, this.#bounds[to - 1] ?? 0];
    const left = firstStart < start ? [firstStart, start] : [];
    const right = lastEnd > end ? [end, lastEnd] : [];
    this.#bounds.splice(from, to - from, ...left, ...right);
  }

  #firstEndingAtOrAfter(at: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[middle * 2 + 1] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}
