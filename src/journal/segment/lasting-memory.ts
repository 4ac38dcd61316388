/** Memory that is used again and again: what is made anew for each frame has V8 collect all garbage there is, nine times a GiB. */
import { Buffer } from 'node:buffer';

const lasting = new WeakSet<ArrayBufferLike>();

/** Of so many bytes; `discard` leaves it alone. */
export function lastingMemory(bytes: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(bytes);
  lasting.add(memory.buffer);
  return memory;
}

export function isLasting(memory: ArrayBufferLike): boolean {
  return lasting.has(memory);
}

/** Of one frame at a time: what was taken is valid until more is. */
export class Scratch {
  #memory: Buffer = Buffer.alloc(0);

  take(bytes: number): Buffer {
    if (this.#memory.length < bytes) this.#memory = lastingMemory(bytes);
    return this.#memory.subarray(0, bytes);
  }
}
