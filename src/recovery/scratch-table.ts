/**
 * Where in a scratch file the blocks lie that were written to it: an open hash table in typed arrays, 12 bytes a slot, at
 * most three quarters full. That is 16 to 32 bytes a block of 4 KiB: 4 to 8 MiB of memory for each GiB that was
 * written, half as much again for a moment while it grows. Pure.
 */
const SLOTS_MIN = 1024;
const FREE = -1;

export class ScratchTable {
  #keys = new Float64Array(SLOTS_MIN).fill(FREE);
  #places = new Uint32Array(SLOTS_MIN);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The place of a key, a whole number that is not negative. */
  find(key: number): number | undefined {
    const slot = this.#slot(key);
    return this.#keys[slot] === key ? this.#places[slot] : undefined;
  }

  /** `place` below 2^32. */
  set(key: number, place: number): void {
    if ((this.#count + 1) * 4 > this.#keys.length * 3) this.#grow();
    const slot = this.#slot(key);
    if (this.#keys[slot] !== key) this.#count += 1;
    this.#keys[slot] = key;
    this.#places[slot] = place;
  }

  /** Its place, undefined when it was not there. */
  delete(key: number): number | undefined {
    let slot = this.#slot(key);
    if (this.#keys[slot] !== key) return undefined;
    const place = this.#places[slot];
    this.#count -= 1;
    const mask = this.#keys.length - 1;
    // What was put behind it for want of this slot moves up, so that it is still found.
    for (let next = (slot + 1) & mask; ; next = (next + 1) & mask) {
      const moving = this.#keys[next] ?? FREE;
      if (moving === FREE) break;
      const home = hash(moving) & mask;
      if (((next - home) & mask) < ((next - slot) & mask)) continue;
      this.#keys[slot] = moving;
      this.#places[slot] = this.#places[next] ?? 0;
      slot = next;
    }
    this.#keys[slot] = FREE;
    return place;
  }

  /** Those of the keys from `first` on, `count` of them, that are here; in no order. */
  within(first: number, count: number): number[] {
    const found: number[] = [];
    if (this.#keys.length < count) {
      for (const key of this.#keys) if (key >= first && key < first + count) found.push(key);
      return found;
    }
    for (let key = first; key < first + count; key += 1)
      if (this.#keys[this.#slot(key)] === key) found.push(key);
    return found;
  }

  /** Where the key is, or the free slot where it belongs. */
  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
      const there = this.#keys[slot];
      if (there === key || there === FREE) return slot;
    }
  }

  #grow(): void {
    const [keys, places] = [this.#keys, this.#places];
    this.#keys = new Float64Array(keys.length * 2).fill(FREE);
    this.#places = new Uint32Array(keys.length * 2);
    for (let from = 0; from < keys.length; from += 1) {
      const key = keys[from] ?? FREE;
      if (key === FREE) continue;
      const slot = this.#slot(key);
      this.#keys[slot] = key;
      this.#places[slot] = places[from] ?? 0;
    }
  }
}

function hash(key: number): number {
  const low = key >>> 0;
  const high = (key / 0x1_0000_0000) >>> 0;
  let mixed = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  return mixed ^ (mixed >>> 13);
}
