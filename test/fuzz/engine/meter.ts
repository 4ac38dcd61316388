/** What one execution costs: memory asked for, and time. */
import { getHeapStatistics } from 'node:v8';

export interface Cost {
  /** Bytes of buffers asked for, freed again or not, and growth of the heap. */
  readonly bytes: number;
  /** Milliseconds. */
  readonly time: number;
}

type Allocate = (size: number, ...rest: never[]) => Buffer;
const ALLOCATORS = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const;

/** Counts the bytes of every buffer that this thread asks for, those of zlib and of `Buffer.concat` too. */
export class Meter {
  #requested = 0;
  #heap = 0;
  #external = 0;
  #start = 0;

  constructor() {
    const allocators = Buffer as unknown as Record<string, Allocate>;
    for (const name of ALLOCATORS) {
      const original = allocators[name];
      if (original === undefined) throw new Error(`this Node has no Buffer.${name}`);
      allocators[name] = (size, ...rest) => {
        this.#requested += size;
        return original.call(Buffer, size, ...rest);
      };
    }
  }

  begin(): void {
    const heap = getHeapStatistics();
    this.#heap = heap.used_heap_size;
    this.#external = heap.external_memory;
    this.#requested = 0;
    this.#start = performance.now();
  }

  end(): Cost {
    const time = performance.now() - this.#start;
    const heap = getHeapStatistics();
    const grown = Math.max(0, heap.used_heap_size - this.#heap);
    // What is outside the heap is mostly the buffers that were counted.
    const external = Math.max(0, heap.external_memory - this.#external);
    return { bytes: Math.max(this.#requested, external) + grown, time };
  }
}
