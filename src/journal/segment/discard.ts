import { Buffer } from 'node:buffer';
import { isLasting } from './lasting-memory.ts';

/**
 * Gives back the memory of buffers that nobody looks at any more, nor at another view of the same. At once, because V8
 * collects all garbage there is, again and again, in a thread that leaves a megabyte outside its heap with every frame. Small
 * ones share theirs with others, and are left alone, as is what is used again.
 */
export function discard(buffers: readonly Buffer[]): void {
  for (const { buffer } of buffers)
    if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !isLasting(buffer))
      buffer.transfer(0);
}
